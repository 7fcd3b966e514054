//! From one PCM format to another: channels first where that leaves less to resample.

use super::{format::PcmFormat, remix::remix, resample::Resampler};

pub(crate) struct Converter {
    from: PcmFormat,
    to: PcmFormat,
    resampler: Option<Resampler>,
    mixed: Vec<i16>,
}

impl Converter {
    pub(crate) fn new(from: PcmFormat, to: PcmFormat) -> Self {
        let channels = from.channels.min(to.channels);
        let resampler =
            (from.rate_hz != to.rate_hz).then(|| Resampler::new(from.rate_hz, to.rate_hz, channels));
        Self {
            from,
            to,
            resampler,
            mixed: Vec::new(),
        }
    }

    /// Appends `pcm` in the target format.
    pub(crate) fn convert(&mut self, pcm: &[i16], out: &mut Vec<i16>) {
        let Some(resampler) = &mut self.resampler else {
            remix(pcm, self.from.channels, self.to.channels, out);
            return;
        };
        self.mixed.clear();
        if self.from.channels > self.to.channels {
            remix(pcm, self.from.channels, self.to.channels, &mut self.mixed);
            resampler.process(&self.mixed, out);
        } else if self.from.channels == self.to.channels {
            resampler.process(pcm, out);
        } else {
            resampler.process(pcm, &mut self.mixed);
            remix(&self.mixed, self.from.channels, self.to.channels, out);
        }
    }
}

//! Change of the channel count of interleaved PCM.

/// Appends `pcm` with `to` channels: fewer by their mean, more by repetition.
pub(crate) fn remix(pcm: &[i16], from: usize, to: usize, out: &mut Vec<i16>) {
    if from == to {
        out.extend_from_slice(pcm);
        return;
    }
    for frame in pcm.chunks_exact(from) {
        if to == 1 {
            let sum: i32 = frame.iter().map(|sample| i32::from(*sample)).sum();
            out.push((sum / from as i32) as i16);
        } else if from < to {
            out.extend((0..to).map(|channel| frame[channel % from]));
        } else {
            // Surround order puts left and right first; the rest is shared between both sides.
            for channel in 0..to {
                let side = frame.iter().skip(channel).step_by(to);
                let (sum, count) = side.fold((0_i32, 0_i32), |(sum, count), sample| {
                    (sum + i32::from(*sample), count + 1)
                });
                out.push((sum / count.max(1)) as i16);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::remix;

    fn remixed(pcm: &[i16], from: usize, to: usize) -> Vec<i16> {
        let mut out = Vec::new();
        remix(pcm, from, to, &mut out);
        out
    }

    #[test]
    fn channels_are_averaged_or_repeated() {
        assert_eq!(remixed(&[1, 3, -5, -7], 2, 1), [2, -6]);
        assert_eq!(remixed(&[i16::MAX, i16::MAX], 2, 1), [i16::MAX]);
        assert_eq!(remixed(&[1, 2], 1, 2), [1, 1, 2, 2]);
        assert_eq!(remixed(&[1, 2], 2, 4), [1, 2, 1, 2]);
        assert_eq!(remixed(&[1, 10, 3, 30], 4, 2), [2, 20]);
    }
}

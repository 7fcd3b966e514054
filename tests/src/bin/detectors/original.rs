//! The original Silero network in a Python of its own: `runner/python/silero_original.py`.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result};

/// What it said.
pub(crate) struct Heard {
    pub scores: Vec<f32>,
    pub core_us: f64,
}

/// The running program; it ends when its input does.
pub(crate) struct Original {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
}

impl Original {
    /// Starts it.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(python: &Path, program: &Path) -> Result<Self> {
        let mut child = Command::new(python)
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", python.display()))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        Ok(Self {
            child,
            input,
            output: output.context("a program without pipes")?,
        })
    }

    /// Has it hear a recording as a stream of its own.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn hear(&mut self, samples: &[i16]) -> Result<Heard> {
        let gone = "the original Silero has ended; what it said is above";
        let mut message = (samples.len() as u32).to_le_bytes().to_vec();
        message.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        let input = self.input.as_mut().context(gone)?;
        input
            .write_all(&message)
            .and_then(|()| input.flush())
            .context(gone)?;
        let (mut count, mut core_us) = ([0; 4], [0; 8]);
        self.output.read_exact(&mut count).context(gone)?;
        self.output.read_exact(&mut core_us).context(gone)?;
        let mut scores = vec![0; u32::from_le_bytes(count) as usize * 4];
        self.output.read_exact(&mut scores).context(gone)?;
        Ok(Heard {
            scores: scores
                .as_chunks::<4>()
                .0
                .iter()
                .map(|&bytes| f32::from_le_bytes(bytes))
                .collect(),
            core_us: f64::from_le_bytes(core_us),
        })
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        // Its input ends first, then it does.
        self.input = None;
        let _ = self.child.wait();
    }
}

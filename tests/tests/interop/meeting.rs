//! One of us and one of them in a room.

use anyhow::{Context as _, Result};
use livekit::prelude::RoomOptions;
use system_tests::peers::{Ground, Kind, Ours, Peer};

use crate::LIMIT;

pub(crate) struct Meeting<'ground> {
    ground: &'ground Ground,
    room: String,
    pub(crate) ours: Ours,
    pub(crate) theirs: Peer,
    /// How many tones each has played.
    tones: u32,
}

impl<'ground> Meeting<'ground> {
    /// They are there first, and play before we come; then we play too.
    pub(crate) async fn begin(ground: &'ground Ground, kind: Kind) -> Result<Self> {
        let room = ground.room();
        let mut theirs = Peer::start(kind, ground).await?;
        theirs
            .connect(ground.url(), &ground.token(&room, "theirs")?)
            .await?;
        theirs.publish(their_hz(0)).await?;
        let token = ground.token(&room, "ours")?;
        let ours = Ours::connect(ground.url(), &token, RoomOptions::default()).await?;
        ours.wait_for_tone_as_played(their_hz(0), LIMIT)
            .await
            .context("we come late")?;
        ours.publish(our_hz(0)).await?;
        let mut meeting = Self {
            ground,
            room,
            ours,
            theirs,
            tones: 0,
        };
        meeting.they_hear(our_hz(0)).await?;
        Ok(meeting)
    }

    /// They enter the room again, after they left it, and play when they have heard us.
    pub(crate) async fn come_back(&mut self) -> Result<()> {
        let token = self.ground.token(&self.room, "theirs")?;
        self.theirs.connect(self.ground.url(), &token).await?;
        self.they_hear(our_hz(self.tones))
            .await
            .context("they come late")?;
        self.theirs.publish(their_hz(self.tones)).await?;
        self.ours
            .wait_for_tone_as_played(their_hz(self.tones), LIMIT)
            .await
    }

    async fn they_hear(&mut self, hz: f64) -> Result<()> {
        let heard = format!("{hz} Hz as played");
        self.theirs
            .wait_for_sound(&heard, LIMIT, |sound| sound.is_tone_as_played(hz))
            .await
    }

    /// Each plays a tone that it has not played before, and hears the other's.
    pub(crate) async fn both_hear(&mut self, when: &str) -> Result<()> {
        self.tones += 1;
        let (ours, theirs) = (our_hz(self.tones), their_hz(self.tones));
        self.ours.tune(ours);
        self.theirs.tune(theirs).await?;
        self.ours
            .wait_for_tone_as_played(theirs, LIMIT)
            .await
            .with_context(|| when.to_owned())?;
        self.they_hear(ours).await.with_context(|| when.to_owned())
    }

    pub(crate) async fn end(self) -> Result<()> {
        self.ours.leave().await?;
        self.theirs.quit().await
    }
}

fn our_hz(tone: u32) -> f64 {
    523.0 + 31.0 * f64::from(tone)
}

fn their_hz(tone: u32) -> f64 {
    330.0 + 17.0 * f64::from(tone)
}

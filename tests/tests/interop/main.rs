//! Meetings with clients that we did not write, through a real livekit-server: LiveKit's Python SDK, and its JavaScript SDK in
//! Chromium, as they are by themselves, without encryption. Sound is judged by pitch and level: whoever is to hear somebody
//! hears a tone that was never played before.

mod cameras;
mod coming_and_going;
mod meeting;
mod muting;
mod outage;
mod reception;
mod reconnecting;
mod texts;

use std::time::Duration;

use anyhow::Result;
use system_tests::peers::{Ground, Kind};

const LIMIT: Duration = Duration::from_secs(20);

macro_rules! with_each {
    ($kind:expr, $prepare:ident; $($file:ident::$name:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() -> Result<()> {
                let ground = Ground::$prepare("interop").await?;
                $file::$name(&ground, $kind).await?;
                ground.end().await;
                Ok(())
            }
        )+
    };
}

macro_rules! with {
    ($($peer:ident = $kind:expr),+) => {
        $(
            mod $peer {
                use super::*;
                with_each!(
                    $kind, prepare;
                    coming_and_going::who_is_late_hears_and_who_leaves_is_missed,
                    muting::who_is_muted_is_silent_until_unmuted,
                    reconnecting::who_comes_back_hears_and_is_heard,
                    texts::texts_arrive_once_and_whole,
                    reception::sound_arrives_in_time_and_whole,
                    cameras::pictures_leave_sound_alone
                );
                with_each!(
                    $kind, prepare_on_a_bad_network;
                    outage::who_is_cut_off_for_3_s_hears_and_is_heard_again
                );
            }
        )+
    };
}

with!(with_python = Kind::Python, with_a_browser = Kind::Browser);

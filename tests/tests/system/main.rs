//! The whole product, from outside: real servers, real speech, one behaviour a file. They run one after the other.

// The strict servers of Deepgram's and OpenAI's clients, with what they need.
#[path = "../../../speech/tests/services/booth.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "a helper of the client's own tests")]
mod booth;
#[path = "../../../speech/tests/services/deepgram/server.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "a helper of the client's own tests")]
mod deepgram;
#[path = "../../../speech/tests/services/played.rs"]
#[allow(dead_code, reason = "a helper of the client's own tests")]
mod played;
#[path = "../../../speech/tests/services/realtime/server.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "a helper of the client's own tests")]
mod realtime;

mod agents_stop_in_order;
mod answers_have_sources_or_none;
mod databases_go_and_come_back;
mod dispatchers_die;
mod killed_agents_are_replaced;
mod known_voices_are_recognised;
mod late_people_hear_and_are_heard;
mod leaving_people_keep_their_words;
mod lost_sound_is_said;
mod media_servers_restart;
mod microphones_change;
mod one_microphone_several_voices;
mod overload_is_said;
mod recognisers_number_speakers;
mod recognisers_over_a_line;
mod recognisers_take_over;
mod recognition_comes_back;
mod strangers_stay_outside;
mod the_demo_happens;
mod two_people;
mod who_declines_is_not_recognised;

//! The whole product, from outside: real servers, real speech, one behaviour a file. They run one after the other.

mod agents_stop_in_order;
mod answers_have_sources_or_none;
mod databases_go_and_come_back;
mod dispatchers_die;
mod killed_agents_are_replaced;
mod late_people_hear_and_are_heard;
mod leaving_people_keep_their_words;
mod media_servers_restart;
mod one_microphone_several_voices;
mod recognisers_take_over;
mod strangers_stay_outside;
mod the_demo_happens;
mod who_declines_is_not_recognised;

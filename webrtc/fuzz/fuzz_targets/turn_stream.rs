#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| libwebrtc::fuzzing::turn_stream(data));

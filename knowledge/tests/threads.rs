//! What embedding takes is there when the model is loaded, and not missing in the middle of a meeting. Alone in its process:
//! it counts threads.

use std::time::Duration;

mod support;

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("a process").count()
}

#[test]
fn the_first_question_starts_no_threads_that_stay() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let embedder = support::embedder();
    let before = threads();
    let text = "Where is the key of the boat house? ".repeat(40);
    runtime
        .block_on(embedder.embed(&[text.as_str(); 8]))
        .expect("embeddings");
    // The thread that did the work ends with its runtime.
    runtime.shutdown_timeout(Duration::from_secs(10));
    assert_eq!(threads(), before);
}

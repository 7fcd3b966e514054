//! What a service that refuses the handshake is taken for, and that it is not asked again at once, on whatever track.

use speech::{RecogniseError, Recogniser, Request, StreamId};

/// Statuses of a refused handshake, and what they are called. The first is a wrong key.
pub(crate) const REFUSALS: [(u16, RecogniseError); 4] = [
    (401, RecogniseError::Unauthorised),
    (402, RecogniseError::PaymentRequired),
    (429, RecogniseError::RateLimited),
    (400, RecogniseError::Misconfigured),
];

/// Asks three times, on two tracks: the answer is the same.
pub(crate) async fn assert_refused(recogniser: &impl Recogniser, request: &Request, error: RecogniseError) {
    for stream in [1, 1, 2] {
        let mut request = request.clone();
        request.stream = StreamId(stream);
        assert_eq!(recogniser.submit(request).await.unwrap(), Err(error));
    }
}

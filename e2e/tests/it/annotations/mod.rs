//! Reviews over HTTP and on the command line, the review queue, and exports.

mod documents;
mod export;
mod review_queue;
mod reviews;
mod unusual_content;

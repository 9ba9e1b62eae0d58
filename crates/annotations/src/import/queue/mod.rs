//! Background imports: requests whose files are stored in the bucket and imported one after the other.
//!
//! An importer claims a request with a lease and renews it; every write is fenced by the attempt number. The import itself is one
//! transaction, so an interrupted import leaves nothing behind and starts again from the stored file.

mod claim;
mod finish;
mod read;
mod request;
mod types;

pub use claim::{claim_import, release_import, renew_import};
pub use finish::{fail_import, finish_import};
pub use read::{StoredFile, find_import_ids, find_stored_files, import_state, list_imports, lock_import};
pub use request::{declare_import_object, record_import_upload, request_import};
pub use types::{ClaimedImport, ImportState, ImportStatus, StoredOptions, StoredReport};

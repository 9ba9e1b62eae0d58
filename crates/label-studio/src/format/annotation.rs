//! Annotations and predictions of a Label Studio JSON export.

use serde_json::Value;

use crate::format::items::Items;
use crate::format::object::object;
use crate::format::task_extension::ReviewExtension;

object! {
    /// A submitted annotation. Drafts are listed separately and not read.
    Annotation ("an annotation") {
        "id" => id: Value,
        /// A user id or a user object.
        "completed_by" => completed_by: Value,
        "result" => result: Items,
        /// Skipped in Label Studio, or an undone review in an Aprendiz export.
        "was_cancelled" => was_cancelled: bool,
        /// The same before version 1.0.
        "skipped" => skipped: bool,
        /// Label Studio sets it on every imported annotation.
        "ground_truth" => ground_truth: bool,
        /// A string, or a number since 1970.
        "created_at" => created_at: Value,
        "updated_at" => updated_at: Value,
        /// Review extension of an Aprendiz export.
        "aprendiz" => aprendiz: ReviewExtension,
    } unused {
        "bulk_created",
        "cancelled_at",
        "created_ago",
        "created_username",
        "draft_created_at",
        "honeypot",
        "import_id",
        "last_action",
        "last_created_by",
        "lead_time",
        "parent_annotation",
        "parent_prediction",
        "prediction",
        "project",
        "result_count",
        "task",
        "unique_id",
        "updated_by",
    }
}

object! {
    /// What decides whether an annotation counts.
    AnnotationHead ("an annotation") {
        "id" => id: Value,
        "was_cancelled" => was_cancelled: bool,
        "skipped" => skipped: bool,
        "created_at" => created_at: Value,
        "updated_at" => updated_at: Value,
    } unused {
        "completed_by",
        "ground_truth",
        "result",
    }
}

object! {
    /// A prediction of one extractor version.
    Prediction ("a prediction") {
        "id" => id: Value,
        "result" => result: Items,
        "score" => score: f64,
        "model_version" => model_version: String,
        "created_at" => created_at: Value,
        "updated_at" => updated_at: Value,
    } unused {
        "cluster",
        "created_ago",
        "mislabeling",
        "model",
        "model_run",
        "neighbors",
        "project",
        "task",
    }
}

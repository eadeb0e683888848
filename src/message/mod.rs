//! The messages of notifications: their content as it is stored, and the templates that make a subject and a text of it. The configuration
//! checks templates with this module, and the delivery renders them.
//!
//! **Architecture Invariant:** no input and output. A template reads nothing but the content of its notification, and rendering it
//! is bounded in time and memory.

mod content;
mod samples;
mod template;
mod template_check;

pub use content::{AlertNotice, MAX_CONTENT_BYTES, MessageKind, NotificationContent};
pub use samples::samples;
pub use template::{
    DEFAULT_SUBJECT, DEFAULT_TEXT, MAX_TEMPLATE_CHARS, Medium, Message, Renderer, TemplateProblem, Templates,
};
pub use template_check::check_templates;

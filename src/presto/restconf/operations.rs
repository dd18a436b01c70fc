//! x
use super::server::{Ask, Restconf};use super::answer::Answer;use super::errors::Problem;
impl Restconf { pub(super) async fn operation(&self, _ask: &Ask, _body: &mut axum::body::Body, _name: &str) -> Result<Answer, Problem> { Ok(Answer::new(http::StatusCode::OK)) } }

//! The parameters of an export, which may cover any number of days.

use crate::{
    collect::Context,
    config::QuerySettings,
    query::{Catalogue, QueryError, SeriesQuery, SeriesRequest, values},
};

impl SeriesQuery {
    /// As [`Self::parse_unlimited`]. The limit, the cursor and the metadata flag of `asked` are ignored. By default everything from
    /// the first recorded to the last finished day.
    ///
    /// # Errors
    /// [`QueryError::InvalidParameters`] with every problem; when the store fails.
    pub async fn parse_export(
        asked: &SeriesRequest,
        context: &Context,
        catalogue: &Catalogue,
        settings: &QuerySettings,
    ) -> Result<Self, QueryError> {
        let last_finished = context.last_finished();
        let mut asked = SeriesRequest { limit: None, cursor: None, metadata: true, ..asked.clone() };
        if asked.from.is_none()
            && let Some((first, _)) = values::span(context).await?
        {
            // At an earlier instant there may have been no record yet.
            asked.from = Some(first.min(last_finished).to_string());
        }
        Self::parse_unlimited(&asked, catalogue, settings, last_finished)
    }
}

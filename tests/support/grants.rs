//! The grants of `docs/quickstart-postgresql.md`, read from the document, so that tests run what users run.

use std::{fs, path::Path};

/// The GRANT statements of the blocks of the document that grant something to the documented role, for another role.
fn blocks(documented: &str, role: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/quickstart-postgresql.md");
    let document = fs::read_to_string(path).expect("the document");
    let blocks = document.split("```sql").skip(1).filter_map(|rest| rest.split("```").next());
    let granted = blocks.map(|block| {
        let statements = block.split(';').map(str::trim);
        let grants = statements.filter(|sql| sql.starts_with("GRANT") && sql.ends_with(documented));
        grants.map(|sql| sql.replace(documented, role)).collect()
    });
    granted.filter(|grants: &Vec<String>| !grants.is_empty()).collect()
}

/// The least that the service role needs: the first block.
pub fn of_recording(role: &str) -> Vec<String> {
    blocks("daymark_service", role).swap_remove(0)
}

/// Everything that the document offers to the service role, and what a corrector has beyond it.
pub fn of_everything(role: &str) -> Vec<String> {
    let all = [blocks("daymark_service", role), blocks("daymark_corrector", role)];
    all.into_iter().flatten().flatten().collect()
}

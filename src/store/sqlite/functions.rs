//! SQLite has no functions in the database, so nothing can be installed.

use async_trait::async_trait;

use super::SqliteStore;
use crate::{
    database::FaultClass,
    store::{FunctionPlace, FunctionSpec, Functions, InstalledFunctions, StoreError},
};

impl SqliteStore {
    fn no_functions(&self) -> StoreError {
        let message = "SQL functions need a store on PostgreSQL, in the database of the platform";
        self.fault(FaultClass::Other, message.to_owned())
    }
}

#[async_trait]
impl Functions for SqliteStore {
    async fn function_place(&self) -> Result<FunctionPlace, StoreError> {
        Err(self.no_functions())
    }

    fn function_script(&self, _: &FunctionSpec, _: Option<&str>) -> Result<String, StoreError> {
        Err(self.no_functions())
    }

    async fn install_functions(&self, _: &FunctionSpec, _: Option<&str>) -> Result<Vec<String>, StoreError> {
        Err(self.no_functions())
    }

    async fn installed_functions(
        &self,
        _: Option<&FunctionSpec>,
    ) -> Result<Option<InstalledFunctions>, StoreError> {
        Ok(None)
    }

    async fn uninstall_functions(&self) -> Result<bool, StoreError> {
        Ok(false)
    }
}

//! What is wanted of a user.

use serde::Deserialize;

/// Everything that a page tells of a user.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub id: String,
    pub display_name: Option<String>,
    pub given_name: Option<String>,
    pub surname: Option<String>,
    pub job_title: Option<String>,
    pub mail: Option<String>,
    pub mobile_phone: Option<String>,
    pub business_phones: Vec<String>,
    pub office_location: Option<String>,
    pub preferred_language: Option<String>,
    pub user_principal_name: String,
    pub department: Option<String>,
    pub account_enabled: Option<bool>,
    pub city: Option<String>,
    pub country: Option<String>,
}

/// What a job names that needs three properties.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    pub id: String,
    pub display_name: Option<String>,
    pub mail: Option<String>,
}

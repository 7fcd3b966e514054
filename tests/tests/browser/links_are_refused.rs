//! A person with a forged or an expired link sees what is wrong and what to do, on a phone too, and nothing of the room.

use std::time::Duration;

use anyhow::{Context as _, Result};
use sqlx::Connection as _;
use system_tests::browser::PHONE;
use system_tests::meeting::Meeting;

use crate::house::browser;

const LINKS: [&str; 2] = ["captions_url", "join_url"];
const PAGE_LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn links_are_refused() -> Result<()> {
    let meeting = Meeting::begin("Confidential").await?;
    let browser = browser(&meeting, None).await?;
    browser.look(PHONE).await?;

    for name in LINKS {
        browser.open(&forged(&meeting.link(name).await?)?).await?;
        browser
            .wait_until(
                "an explanation",
                PAGE_LIMIT,
                "document.querySelector('h1')?.innerText === 'This link is not valid' \
                 && /not made by this server/.test(document.body.innerText) \
                 && !document.body.innerText.includes('Confidential')",
            )
            .await?;
        assert_eq!(
            browser
                .run("return document.documentElement.scrollWidth <= innerWidth;")
                .await?,
            true
        );
    }

    expire(&meeting).await?;
    for name in LINKS {
        browser.open(&meeting.link(name).await?).await?;
        browser
            .wait_until(
                "an explanation",
                PAGE_LIMIT,
                "document.querySelector('h1')?.innerText === 'This link has expired' \
                 && /ask whoever sent it for a new one/i.test(document.body.innerText)",
            )
            .await?;
    }
    browser.quit().await?;
    meeting.end().await
}

/// Another letter in the middle of the key.
fn forged(url: &str) -> Result<String> {
    let (page, key) = url.split_once("key=").context("no key")?;
    let middle = key.len() / 2;
    let other = if key[middle..].starts_with('A') { 'B' } else { 'A' };
    Ok(format!(
        "{page}key={}{other}{}",
        &key[..middle],
        &key[middle + 1..]
    ))
}

/// The meeting was the week before last, and its links with it.
async fn expire(meeting: &Meeting) -> Result<()> {
    let mut database = sqlx::PgConnection::connect(&meeting.house.postgres.url).await?;
    sqlx::query(
        "UPDATE rooms SET starts_at = now() - interval '14 days', ends_at = now() - interval '13 days'",
    )
    .execute(&mut database)
    .await?;
    Ok(())
}

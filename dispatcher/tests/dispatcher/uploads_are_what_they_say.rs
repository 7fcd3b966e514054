//! An upload that is not what its name says is refused with what it is.

use crate::harness::{TestApp, answer, wrong_fields};

#[tokio::test]
async fn uploads_are_what_they_say() {
    let app = TestApp::start().await;
    let organisation = app.organisation().await;
    let cases: [(&str, &[u8], u16, &str); 6] = [
        (
            "report.pdf",
            b"only words",
            415,
            "the file is named as PDF but holds",
        ),
        (
            "notes.md",
            b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
            415,
            "the file is named as Markdown but holds",
        ),
        ("letter.docx", b"PK\x03\x04 not really", 415, "a Word document"),
        ("program.exe", b"MZ", 415, "must end in .md"),
        ("empty.md", b"", 400, "the file is empty"),
        ("latin.txt", b"caf\xe9", 415, "UTF-8"),
    ];
    for (name, content, expected, words) in cases {
        let (status, problem) = app.upload(organisation, name, content).await;
        assert_eq!(
            (status, wrong_fields(&problem)),
            (expected, vec!["file"]),
            "{name}: {problem}"
        );
        assert!(
            problem["detail"].as_str().unwrap().contains(words),
            "{name}: {problem}"
        );
    }
    let path = format!("/v1/organisations/{organisation}/documents");
    let nothing = app
        .request("POST", &path)
        .multipart(reqwest::multipart::Form::new().text("title", "A"));
    let (status, problem) = answer(nothing).await;
    assert_eq!((status, wrong_fields(&problem)), (400, vec!["file"]));
    let (_, list) = app.get(&path).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 0);
    app.stop().await;
}

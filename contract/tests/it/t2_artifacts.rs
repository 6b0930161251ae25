//! T2: an artifact is named by the bytes of all its files, and nothing else is ever loaded under that name.

use std::path::Path;

use contract::artifact::{ARTIFACT_JSON, Artifact, MAX_BYTES, MAX_FILES, describe, hash_file, verify};
use tempfile::TempDir;

/// A folder with a model and all that a trainer and its runner leave beside it.
fn trained() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir_all(folder.path().join("model/parts")).unwrap();
    std::fs::create_dir(folder.path().join("checkpoint")).unwrap();
    put("model/parts/weights.safetensors", "abc");
    put("model.json", "{}");
    put("metrics.json", "");
    put("checkpoint/epoch-3", "half");
    for name in ["held_out_scores.parquet", "training_scores.csv", "progress.jsonl", "stderr.log", "exit"] {
        put(name, "by-product");
    }
    folder
}

/// Writes the list, as whoever registers does.
fn registered() -> (TempDir, Artifact) {
    let folder = trained();
    let artifact = describe(folder.path()).unwrap();
    std::fs::write(folder.path().join(ARTIFACT_JSON), &artifact.json).unwrap();
    (folder, artifact)
}

/// Replaces the list by one of the owner's own, and says why it is refused.
fn refused_with_list(folder: &Path, json: &str) -> String {
    std::fs::write(folder.join(ARTIFACT_JSON), json).unwrap();
    let (sha256, _) = hash_file(&folder.join(ARTIFACT_JSON)).unwrap();
    verify(folder, &sha256).unwrap_err()
}

#[test]
fn t2_the_digest_is_canonical_and_by_products_are_no_part_of_it() {
    let folder = trained();
    let artifact = describe(folder.path()).unwrap();
    // The SHA-256 of "", "{}" and "abc"; computed with sha256sum.
    let expected = concat!(
        r#"{"files":[{"path":"metrics.json","sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"#,
        r#"{"path":"model.json","sha256":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"#,
        r#"{"path":"model/parts/weights.safetensors","sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","size":3}]}"#
    );
    assert_eq!(artifact.json, expected);
    assert_eq!(artifact.sha256, "ae9bc76219911d8e24b48bc3d592abbd3b0f9d5783c742fca7499599a46d92ef");
    assert_eq!(artifact.files.len(), 3);
    std::fs::write(folder.path().join(ARTIFACT_JSON), &artifact.json).unwrap();
    std::fs::write(folder.path().join("progress"), "90 %").unwrap();
    assert_eq!(describe(folder.path()).unwrap(), artifact);
    verify(folder.path(), &artifact.sha256).unwrap();
}

#[test]
fn t2_a_changed_missing_or_replaced_file_is_refused() {
    for (change, words) in [
        (|path: &Path| std::fs::write(path, "abd").unwrap(), "has the SHA-256"),
        (|path: &Path| std::fs::write(path, "abcd").unwrap(), "has 4 bytes, and artifact.json lists 3"),
        (|path: &Path| std::fs::remove_file(path).unwrap(), "can't be read"),
    ] as [(fn(&Path), &str); 3]
    {
        let (folder, artifact) = registered();
        change(&folder.path().join("model/parts/weights.safetensors"));
        let refusal = verify(folder.path(), &artifact.sha256).unwrap_err();
        assert!(refusal.starts_with("model/parts/weights.safetensors") && refusal.contains(words), "{refusal}");
    }
    let (folder, artifact) = registered();
    std::fs::write(folder.path().join(ARTIFACT_JSON), artifact.json.replace("\"size\":2", "\"size\":3")).unwrap();
    let refusal = verify(folder.path(), &artifact.sha256).unwrap_err();
    assert!(refusal.starts_with("artifact.json has the SHA-256"), "{refusal}");
    std::fs::remove_file(folder.path().join(ARTIFACT_JSON)).unwrap();
    assert!(verify(folder.path(), &artifact.sha256).is_err());
}

#[test]
fn t2_no_listed_path_leaves_the_folder() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "").unwrap();
    let folder = outside.path().join("artifact");
    std::fs::create_dir(&folder).unwrap();
    let absolute = outside.path().join("secret").display().to_string();
    for path in ["../secret", "a/../../secret", &absolute, "", "./secret", "a//b", "a\\\\..\\\\b", "C:secret"] {
        let sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let list = format!(r#"{{"files":[{{"path":"{path}","sha256":"{sha256}","size":0}}]}}"#);
        let refusal = refused_with_list(&folder, &list);
        assert!(refusal.contains("no path within an artifact"), "{path}: {refusal}");
    }
}

#[cfg(unix)]
#[test]
fn t2_links_are_followed_nowhere() {
    use std::os::unix::fs::symlink;

    let folder = trained();
    symlink("model.json", folder.path().join("link.json")).unwrap();
    let refusal = describe(folder.path()).unwrap_err();
    assert!(refusal.to_string().contains("link.json is neither a file nor a folder"), "{refusal}");

    let (folder, artifact) = registered();
    let elsewhere = tempfile::tempdir().unwrap();
    // The same bytes, by way of a link to a folder and of a link to a file.
    let parts = folder.path().join("model/parts");
    std::fs::rename(&parts, elsewhere.path().join("parts")).unwrap();
    symlink(elsewhere.path().join("parts"), &parts).unwrap();
    assert!(verify(folder.path(), &artifact.sha256).unwrap_err().contains("no plain file"));
    std::fs::remove_file(&parts).unwrap();
    std::fs::create_dir(&parts).unwrap();
    symlink(elsewhere.path().join("parts/weights.safetensors"), parts.join("weights.safetensors")).unwrap();
    assert!(verify(folder.path(), &artifact.sha256).unwrap_err().contains("no plain file"));
}

#[test]
fn t2_artifacts_are_bounded_and_never_empty() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("training_scores.csv"), "").unwrap();
    assert!(describe(folder.path()).unwrap_err().to_string().contains("holds no file of a model"));
    assert!(refused_with_list(folder.path(), r#"{"files":[]}"#).contains("lists 0 files"));
    assert!(refused_with_list(folder.path(), r#"{"files":[],"more":1}"#).contains("can't be read"));
    for index in 0..=MAX_FILES {
        std::fs::write(folder.path().join(format!("part{index}")), "").unwrap();
    }
    assert!(describe(folder.path()).unwrap_err().to_string().contains("holds more than 1000 files"));
    assert!(describe(&folder.path().join("nowhere")).is_err());
}

#[test]
fn e3_an_artifact_without_end_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    // A hole: it has no bytes on the disk.
    std::fs::File::create(folder.path().join("model.bin")).unwrap().set_len(MAX_BYTES + 1).unwrap();
    let error = describe(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("holds 17179869185 bytes; 17179869184 is the most"), "{error}");
}

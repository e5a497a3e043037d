//! The committed code is, to the byte, what the committed request generates. That the request is what the
//! schema files give is checked by `schema/regenerate --check`, which needs the `capnp` tool.

use std::{fs, path::Path};

#[test]
fn committed_code_is_generated_from_the_committed_request() {
    let generated = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated");
    let request = fs::read(generated.join("request.bin")).expect("the committed request");
    let regenerate = std::env::var_os("HITHER_REGENERATE").is_some();
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated");
    let output = if regenerate { generated.clone() } else { fresh };
    fs::create_dir_all(&output).expect("a directory for the output");
    capnpc::codegen::CodeGenerationCommand::new()
        .output_directory(&output)
        .run(request.as_slice())
        .expect("the generator accepts the request");
    for name in [
        "code_capnp.rs",
        "dht_capnp.rs",
        "handshake_capnp.rs",
        "control_capnp.rs",
        "transfer_capnp.rs",
        "record_capnp.rs",
        "records_capnp.rs",
        "share_capnp.rs",
    ] {
        let committed = fs::read(generated.join(name)).expect("committed code");
        let again = fs::read(output.join(name)).expect("generated code");
        assert!(committed == again, "{name} is not what request.bin generates; run schema/regenerate");
    }
}

//! Nothing overlaps or leaves the window, at any size. With `TUCK_PICTURES=FOLDER` every state is also drawn there, in
//! both themes, for a person to judge.

use crate::fixture::{
    adapter, copied_sample, hollow_model, let_go, opened_scaled, sample, sample_of_own_cut, scaled, type_label, wait,
    window_with,
};
use crate::places::{assert_apart, assert_heads, picture, turn_to};
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use tuck::gui::{Action, Dialog, Page, State, Tab};
use tuck::recipe::PRESETS;

/// Points and pixels per point: the smallest window, a laptop's, a desktop's, and a 4K screen at 200 % and at 100 %.
const SIZES: [([f32; 2], f32); 5] = [
    ([960.0, 600.0], 1.0),
    ([1280.0, 720.0], 1.0),
    ([1920.0, 1080.0], 1.0),
    ([1920.0, 1080.0], 2.0),
    ([3840.0, 2160.0], 1.0),
];

#[test]
fn everything_has_its_place_at_every_size() {
    for (size, scale) in SIZES {
        let tag = format!("{}x{}@{scale}", size[0], size[1]);
        let mut window = opened_scaled(size, scale, &sample());
        let model = window.state().state().opened.as_ref().unwrap().model.clone();
        // Those around the usual type are in sight.
        let near = PRESETS.iter().skip_while(|preset| preset.name != "Q5_0").take(3);
        let names: Vec<String> = near.map(|preset| type_label(&model, preset)).collect();
        let mut labels: Vec<&str> = names.iter().map(String::as_str).collect();
        labels.extend(["Pack as", "Save as…", "Compute on", "MB file, ", "Tensors"]);
        assert_apart(&window, &labels);
        assert_heads(&window, "Tensors");
        picture(&mut window, &format!("opened-{tag}"));
    }
}

#[test]
fn menus_selections_and_several_files_have_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = hollow_model(folder.path(), "Hollow", 576, 24);
    for (size, scale) in SIZES {
        let tag = format!("{}x{}@{scale}", size[0], size[1]);
        let mut window = opened_scaled(size, scale, &path);
        window.get_by_label("Type of blk.0.attn_output.weight: Q4_K").click();
        window.run_steps(4);
        assert_apart(&window, &["This tensor", "Every attn_output (24)", "Layer 0 (7)", "All in the table (169)"]);
        assert_apart(&window, &["F32, 590 kB", "Q4_0, 82.9 kB", "IQ4_NL, 82.9 kB", "Q1_0, 20.7 kB"]);
        picture(&mut window, &format!("menu-{tag}"));
        window.get_by_label("All in the table (169)").click();
        window.run_steps(4);
        window.get_by_label("Q4_K, 29.0 MB, 121 become Q5_0");
        picture(&mut window, &format!("menu-all-{tag}"));
        window.get_by_label("Every attn_output (24)").click();
        window.run_steps(4);
        window.get_by_label("Q8_0, 3.76 MB").click();
        window.run_steps(4);
        window.get_by_label("Write Q5_0").click_accesskit();
        window.run_steps(4);
        window.get_by_label("Write Q4_K_S").click_accesskit();
        window.run_steps(4);
        assert_apart(&window, &["Follow the recipe", "Change type…", "Clear the selection"]);
        assert_apart(&window, &["Pack 3 files, ", "Choose folder…", "Compute on"]);
        picture(&mut window, &format!("chosen-{tag}"));
        turn_to(&mut window, "Fallbacks ");
        window.query_all_by_label_contains("cannot be Q4_K").next().unwrap().click();
        window.run_steps(4);
        picture(&mut window, &format!("fallbacks-{tag}"));
    }
}

#[test]
fn an_importance_matrix_has_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("an-importance-matrix-whose-name-is-too-long-for-its-place.dat");
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/imatrix/sample.dat");
    std::fs::copy(data, &file).unwrap();
    let mut window = window_with([960.0, 600.0], &sample());
    window.state_mut().ask(Action::OpenImatrix(file));
    let is_used = |state: &State| state.opened.as_ref().unwrap().choice.plan.recipe.imatrix.is_some();
    wait(&mut window, "the matrix", is_used);
    assert_apart(&window, &["Importance matrix", "Remove importance matrix", "Overrides", "Add pattern", "Pack as"]);
    // The type chosen stays in sight between what stands above and below the list.
    let model = window.state().state().opened.as_ref().unwrap().model.clone();
    let chosen = type_label(&model, tuck::recipe::preset_from_name("Q4_K_M").unwrap());
    let [above, row, below] =
        ["Find a type", &chosen, "Importance matrix"].map(|label| window.get_by_label(label).rect());
    assert!(above.bottom() < row.top() && row.bottom() < below.top(), "{above:?} {row:?} {below:?}");
    picture(&mut window, "imatrix");
}

#[test]
fn the_empty_window_invites() {
    for (size, scale) in SIZES {
        let mut window = scaled(size, scale, None);
        assert_apart(&window, &["Drop a model here", "Open folder…", "Open file…", "Open the sample"]);
        picture(&mut window, &format!("empty-{}x{}@{scale}", size[0], size[1]));
    }
}

#[test]
fn a_long_name_and_many_tensors_do_not_break_the_window() {
    let folder = tempfile::tempdir().unwrap();
    let name = "A-model-with-a-name-that-somebody-made-much-too-long-to-fit-anywhere-Instruct-2407-v0.3";
    let path = hollow_model(folder.path(), name, 576, 300);
    let mut window = window_with([1280.0, 720.0], &path);
    window.get_by_label("Add pattern").click();
    window.run_steps(3);
    window.get_by_label("Add pattern").click();
    window.run_steps(3);
    window.key_press_modifiers(Modifiers::NONE, Key::Escape);
    window.run_steps(3);
    assert_apart(&window, &["Pack as", "Save as…", "Compute on", "MB file, "]);
    picture(&mut window, "many");
    assert!(!window.state().state().opened.as_ref().unwrap().choice.plan.fallbacks.is_empty());
}

#[test]
fn a_pack_and_its_result_have_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = hollow_model(folder.path(), "Hollow", 512, 2);
    for (size, scale) in SIZES {
        let tag = format!("{}x{}@{scale}", size[0], size[1]);
        let mut window = opened_scaled(size, scale, &path);
        window.get_by_label_contains("Pack as").click();
        window.run_steps(4);
        if window.state().state().dialog.is_some() {
            assert_apart(&window, &["Replace it", "Keep it"]);
            picture(&mut window, &format!("replace-{tag}"));
            window.get_by_label("Replace it").click();
        }
        wait(&mut window, "the file", |state| state.opened.as_ref().is_some_and(|opened| opened.report.is_some()));
        assert_apart(&window, &["Show in folder", "Copy for llama.cpp", "Copy for LM Studio", "Pack as"]);
        picture(&mut window, &format!("result-{tag}"));

        let poor = window.query_all_by_label_contains("IQ2_XXS, ").next().expect("a type");
        poor.click_accesskit();
        window.run_steps(4);
        window.get_by_label("Write IQ2_XS").click_accesskit();
        window.run_steps(4);
        assert_apart(&window, &["without an importance matrix", "Pack 2 files", "Compute on", "MB file, "]);
        picture(&mut window, &format!("poor-{tag}"));
        window.get_by_label_contains("Pack 2 files").click();
        window.run_steps(4);
        if window.state().state().dialog.is_some() {
            picture(&mut window, &format!("replace-several-{tag}"));
            window.get_by_role_and_label(Role::Button, "Replace them").click();
        }
        wait(&mut window, "the files", |state| {
            state.opened.as_ref().is_some_and(|opened| opened.report.as_ref().is_some_and(|it| it.outputs.len() == 2))
        });
        assert_apart(&window, &["About Hollow-IQ2_XS.gguf", "About Hollow-IQ2_XXS.gguf", "Show in folder"]);
        picture(&mut window, &format!("results-{tag}"));
    }
}

#[test]
fn messages_and_drops_stand_in_front() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    std::fs::write(&path, [0x80, 2, 0x63]).unwrap();
    let mut window = scaled([1280.0, 720.0], 1.0, Some(&path));
    wait(&mut window, "the message", |state| state.dialog.is_some());
    assert_apart(&window, &["Close", "pytorch_model.bin cannot be opened"]);
    picture(&mut window, "failed");
    window.key_press(Key::Escape);
    window.run_steps(3);
    window.input_mut().hovered_files.push(egui::HoveredFile { path: Some(sample()), ..Default::default() });
    window.run_steps(2);
    picture(&mut window, "hover");
}

#[test]
fn errors_have_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = copied_sample(folder.path());
    for (size, scale) in SIZES {
        let tag = format!("{}x{}@{scale}", size[0], size[1]);
        let mut window = opened_scaled(size, scale, &path);
        turn_to(&mut window, "Error");
        assert_apart(&window, &["Here you see how far", "Compare with…", "Pack as"]);
        picture(&mut window, &format!("errors-empty-{tag}"));
        window.get_by_label_contains("Pack as").click();
        window.run_steps(4);
        if window.state().state().dialog.is_some() {
            window.get_by_label("Replace it").click();
        }
        wait(&mut window, "the file", |state| state.opened.as_ref().is_some_and(|opened| opened.report.is_some()));
        window.get_by_label("Verify").click();
        wait(&mut window, "the errors", |state| state.opened.as_ref().is_some_and(|opened| opened.errors.is_some()));
        assert_apart(
            &window,
            &[
                "Compare with…",
                "Relative error",
                "Cosine",
                "token_embd",
                "blk.0.attn_q.weight, ",
                "blk.0.ffn_up.weight, ",
            ],
        );
        picture(&mut window, &format!("errors-{tag}"));
        window.get_by_label_contains("blk.1.attn_q.weight, ").hover();
        window.run_steps(40);
        picture(&mut window, &format!("errors-hover-{tag}"));
        window.get_by_label("Tensors").click();
        window.run_steps(4);
        let heads: Vec<_> = window.query_all_by_label("Error").map(|node| node.rect()).collect();
        let all = window.ctx.content_rect();
        let count = 1 + usize::from(window.query_by_label("More").is_none());
        assert!(heads.len() == count && heads.iter().all(|head| all.contains_rect(*head)), "column and tab: {heads:?}");
        picture(&mut window, &format!("errors-table-{tag}"));
    }
}

#[test]
fn adapters_questions_and_metadata_have_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let mine = adapter(folder.path(), "an-adapter-whose-name-is-too-long-for-the-place-that-it-has-in-the-window");
    let path = sample_of_own_cut(folder.path());
    std::fs::write(path.join("README.md"), "---\nlicense: [\n---\n").unwrap();
    for (size, scale) in SIZES {
        let tag = format!("{}x{}@{scale}", size[0], size[1]);
        let mut window = opened_scaled(size, scale, &path);
        assert_apart(&window, &["Not now", "Use ", "Nothing can be packed", "unknown to llama.cpp"]);
        picture(&mut window, &format!("question-{tag}"));
        window.get_by_role_and_label(Role::Button, "Not now").click();
        window.run_steps(4);
        assert_apart(&window, &["Decide…", "Not to be packed yet", "Pack as", "Add pattern", "Importance matrix"]);
        picture(&mut window, &format!("undecided-{tag}"));
        let_go(&mut window, &mine);
        wait(&mut window, "the adapter", |state| matches!(state.dialog, Some(Dialog::Adapter(_))));
        assert_apart(&window, &["Merge", "Export as GGUF", "Folder…", "File…", "LoRA adapter an-adapter"]);
        picture(&mut window, &format!("adapter-{tag}"));
        window.get_by_role_and_label(Role::Button, "Merge").click();
        wait(&mut window, "the merged model", |state| {
            state.opened.as_ref().is_some_and(|opened| !opened.model.adapters.is_empty())
        });
        window.key_press(Key::Escape);
        window.run_steps(4);
        assert_apart(&window, &["LoRA adapters", "Remove adapter", "Importance matrix", "Add pattern", "Pack as"]);
        window.state_mut().ask(Action::Show(Tab::Metadata));
        window.run_steps(4);
        picture(&mut window, &format!("metadata-{tag}"));
        window.state_mut().ask(Action::UseTemplate(Ok(TEMPLATE.to_owned())));
        window.state_mut().ask(Action::Turn(Page::Template));
        window.run_steps(4);
        assert_apart(&window, &["Keys", "Edit template", "Load from file…", "Template", "A question"]);
        picture(&mut window, &format!("template-{tag}"));
        window.get_by_role_and_label(Role::Button, "Edit template").click();
        window.run_steps(4);
        picture(&mut window, &format!("template-edit-{tag}"));
    }
    let mut window = scaled([1280.0, 720.0], 1.0, None);
    let_go(&mut window, &mine);
    wait(&mut window, "the adapter", |state| matches!(state.dialog, Some(Dialog::Adapter(_))));
    picture(&mut window, "adapter-alone");
    window.get_by_role_and_label(Role::Button, "Close").click();
    window.run_steps(4);
    window.get_by_label("Download by name…").click();
    window.run_steps(4);
    picture(&mut window, "download");
}

/// A template that opens turns and ends them with a token of its own.
const TEMPLATE: &str = "{# As somebody made it. #}\n{% for message in messages %}\n<|im_start|>{{ message.role }}\n\
    {{ message.content }}<|im_end|>\n{% endfor %}\n{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

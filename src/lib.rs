//! Tuck makes a language model small enough for the machine in front of its owner.
//!
//! A dropped checkpoint is opened, understood, planned to the byte, and packed into a GGUF file that llama.cpp, Ollama
//! and LM Studio load. Arithmetic runs as WGSL compute on any vendor's GPU, or on the processor.
//!
//! # The house
//!
//! ```text
//! main ──> gui ──┐
//!          cli ──┴─> engine ──> jobs ──> recipe ──> model ──> arch, tokenizer ──> checkpoint ──> gguf ──> quant
//!                      │          │
//!                      └──> gpu, cpu ──> graph, forward, feedback, lowrank, prune ──> cache ──> quant
//! ```
//!
//! | room | what lives there |
//! |---|---|
//! | [`quant`] | block formats: one file each, layout and arithmetic; the list `FORMATS` |
//! | [`graph`] | a recording: which kernels run over which bytes, as plain data; what a runner is |
//! | [`cpu`] | runs recordings and forward passes on the processor: the twin of every kernel; and backward passes, of activations alone |
//! | [`gpu`] | runs recordings, forward passes, error feedback and the search of singular vectors on a GPU: devices, shaders, buffers. `wgpu` is named only here |
//! | [`gguf`] | the container: metadata values, reading, writing |
//! | [`checkpoint`] | what a user can open, as one list of stored tensors, whose codes and scales are put together, and LoRA adapters; reads headers only |
//! | [`arch`] | model families: one table each, from stored tensors and settings to those of a GGUF; the list `ARCHS` |
//! | [`tokenizer`] | GGUF token lists from `tokenizer.json`; text to tokens and back, by the lists that a GGUF stores |
//! | [`model`] | a checkpoint understood: tensors and metadata of the file it becomes, a card for people, changes, a lint |
//! | [`imatrix`] | how much each column of a matrix counts: files of llama.cpp's kind; and Gram matrices, in files of Tuck's own |
//! | [`feedback`] | blocks chosen by Gram matrices: error feedback and coordinate descent, of rows by themselves and together |
//! | [`prompt`] | which words of a prompt can go: sentences, words, the choice in a budget; no I/O |
//! | [`prune`] | which weights, channels and layers can go, and what the others make good |
//! | [`lowrank`] | the leading singular vectors of a matrix, as its inputs weigh it, and the factors that they make. `nalgebra` is named only here |
//! | [`recipe`] | which tensor gets which format; the list `PRESETS`; the plan, known to the byte |
//! | [`chat`] | chat templates: rendered within bounds, and read for what has no place in them. `minijinja` is named only here |
//! | [`hub`] | models by name, over the network. `hf_hub` and `ureq` are named only here |
//! | [`eval`] | how good a packed model is, as figures: the error of its weights, perplexity, KL divergence, the agreement of answers |
//! | [`cache`] | what is kept of a text while a model reads it: formats of keys and values, and what is left of earlier tokens; the list `CHOICES` |
//! | [`forward`] | the forward pass of a model, as a list of operations; from logits to the next token |
//! | [`fit`] | what fits where: memory as llama.cpp allocates it, budgets, target hardware, speed; the list `assets/targets.toml` |
//! | [`engine`] | one worker thread: commands in, events out; the jobs |
//! | [`cli`] | what was typed. `clap` and `indicatif` are named only here |
//! | [`gui`] | the window. `egui`, `eframe` and `rfd` are named only here |
//! | [`units`] | numbers as people read them |
//!
//! Shaders lie in `shaders/`, one kernel a file; how a format's blocks are unpacked is one file of `shaders/shared/unpack`, for
//! conversions and for products alike. Nothing points back up; `tests/layers.rs` reads the `use` lines and
//! fails when that breaks.
//!
//! # How a file is packed
//!
//! [`model::Model::open`] reads headers and documents, and makes each tensor a list of views of stored tensors, whose
//! weights may come in another order there. [`recipe::Plan`] gives every tensor a format and a position. The pack job cuts
//! the plan into chunks of a few million weights, and threads pass slots of memory around: one reads weights from the files
//! into a slot, one starts the kernels, one writes results to a temporary file beside the target, one reads them back and
//! compares. Then the file is flushed to the disk and renamed. Memory is bounded by the slots, whatever the model's size; a
//! failure at any point leaves the target as it was. Several types come from one read, and each may be cut into several
//! files; then all of them are renamed together. Tensors whose blocks are chosen by Gram matrices go first, in stretches of
//! whole rows: on a GPU [`gpu::feedback`] chooses them, with [`feedback`] as its twin, while the processor makes the next
//! matrix ready.
//!
//! # How a model is measured
//!
//! [`forward`] records a program for each layer, from the tensors that are there. The measure jobs walk a text through them:
//! a layer's weights are read (or quantized in memory, where a recipe is measured that was never written), used for all of
//! the text, and dropped; [`gpu::forward`] runs the programs, or [`cpu`] where there is no GPU. The candidate and its reference walk side by side, and the logits
//! of a few tokens at a time are scored and dropped. Calibration observes the inputs of matrices on the same walk, and keeps a
//! state beside its output to go on from. Sensitivity lets a stream of the text part from the original at each tensor that is
//! quantized alone, and takes all streams through the later layers together. On a GPU the text's rows stay there from layer
//! to layer, sums of squares and of x·xᵀ are made there, and so are the keys and values of an answer. Only answers (`tuck compare`) hold all of a
//! model in memory, with the keys and values of the text so far.
//!
//! # How a cache is measured
//!
//! [`cache`] says as plain data what becomes of keys and values: how each row is kept, which the recorder of [`forward`] makes a
//! step of the program, and what is left of earlier tokens, which is a part of attention. The kv job takes a text, and haystacks
//! with needles in them, through the layers once for each choice, side by side. Rows are kept on every device, bit for bit as
//! llama.cpp keeps them; what drops, rounds in groups, merges or projects earlier tokens is run on the processor, a token after
//! the other as an answer is made.
//!
//! # How a prompt is shortened
//!
//! [`prompt`] cuts a text into words and sentences, and chooses what is kept in a budget: whole sentences by how much each makes
//! likelier what is asked, words of the last by how hard they are to guess. The prompt job finds both in one walk
//! through the layers, for the prompt in windows and for each sentence with the question side by side. Scores do not depend on the
//! budget, so the window chooses anew at each move of its slider and asks the engine only to count tokens. The effect is the KL
//! divergence of an answer's predictions, beside prompts cut to as many tokens without scores.
//!
//! # How a mix is chosen
//!
//! The statistics job makes one file for a model and a text ([`imatrix::Statistics`]), stage by stage, and fills in what is
//! missing: inputs of matrices, what each tensor does alone, what each format does to each tensor, and how much more all lose
//! together and how much less by [`feedback`]. [`recipe::Prediction`] reads losses out of it, [`recipe::budget`] finds the
//! least loss for every number of bytes at once, and [`recipe::Mixer`] makes recipes of that, with one format for each tensor
//! in [`recipe::Mix`], which is also the file that makes the same again. Only the job computes; the rest is pure and fast
//! enough for a slider: in the window, a thread of its own (`gui/size/solver`) holds a mixer and answers the newest question,
//! so that a frame never waits for one. With the most effort another job follows. It goes back through the layers with the
//! gradients of activations, which say how the outputs of each matrix go together, so that its rows can make good each other's
//! errors ([`feedback::descend_across`]); then it runs the text through the model as it was and as it is packed so far, and says
//! what each matrix has to make good of what those before it lost ([`recipe::Recipe::sequence`]).
//!
//! # How an adapter makes good what was lost
//!
//! The low-rank job takes what is packed off the model matrix by matrix. [`lowrank`] finds the leading directions of each
//! error, weighed by the Gram matrix of the inputs that the statistics hold: on the processor, or by [`gpu::low_rank`], whose
//! products are those of the forward pass. What each rank gains, in units of KL divergence, and what it takes in the file go to
//! [`recipe::Ranks`], and the budget's solver spreads ranks over matrices. The factors become an adapter's file
//! ([`model::Model::error_adapter`]), which is packed as any other. Then the text runs through the model, through what was packed
//! with and without the adapter, and through the mix of types of as many bytes, so that every report says what the same bytes
//! do without an adapter.
//!
//! # How a model is pruned
//!
//! [`prune`] says as plain data what is to go ([`prune::Cut`]) and holds the arithmetic. The prune job takes a text through the model
//! layer by layer and decides by what it sees: all layers that may go are tried in one pass, each as a stream of the text that does
//! without it; then experts, heads and channels go by the Gram matrices of inputs, then single weights. Changed weights lie in a
//! temporary file without a name ([`model::ChangedWeights`]), and what comes of it is a [`model::Model`] like any other, to be packed,
//! measured, or exported as a folder. Single weights that go and are to be quantized are both in one pass
//! ([`feedback::quantize_sparse`]): that runs on the processor, by zeros that [`gpu::feedback`] chose where there is a GPU. The
//! weigh job then measures what is left beside the mix of types that loses least in as many bytes, which every report shows.
//!
//! Where several things go they go in the order that loses least (measured in `benches/RESULTS.md`): whole parts, then weights
//! together with quantization, then an adapter of what both lost ([`engine::Lineage`]).
//!
//! # Adding things
//!
//! A product that stores weights as codes is a line in `METHODS` of `checkpoint/coded`, and a file there if its layout is new.
//! A format is one file in [`quant`], its shaders, and a line in `FORMATS`. A family is one file in [`arch`] and a line
//! in `ARCHS`. A recipe is a line in `PRESETS`. A target is an entry of `assets/targets.toml`, with its source. A way to keep keys and
//! values is a line in `all` of `cache/choices.rs`. Tests,
//! command line and window loop over those lists.

pub mod arch;
pub mod cache;
pub mod chat;
pub mod checkpoint;
pub mod cli;
pub mod cpu;
pub mod engine;
pub mod eval;
pub mod feedback;
pub mod fit;
pub mod forward;
pub mod gguf;
pub mod gpu;
pub mod graph;
pub mod gui;
pub mod hub;
pub mod imatrix;
pub mod lowrank;
pub mod model;
mod positioned;
pub mod prompt;
pub mod prune;
pub mod quant;
pub mod recipe;
pub mod tokenizer;
pub mod units;
mod wide;

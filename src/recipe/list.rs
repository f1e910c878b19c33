//! The recipes of llama-quantize, as data: the format most tensors get, and the steps away from it.
//!
//! What holds for all of them (outputs, 70B, eight experts) is in `rules`.

use super::mixture::Part::{AttnK, AttnOutput, AttnQ, AttnV, FfnDown, FfnGate, FfnUp, TokenEmbd};
use super::mixture::When::{
    EightExperts, Falcon, First, FirstEighth, FirstSixteenth, FourExperts, GroupedQueries, Imatrix, MiddleLayers,
    NoImatrix, NotFalcon, Scattered, Unstacked,
};
use super::mixture::{Step, step};
use super::preset::Group::{AsItIs, Bits2, Bits3, Bits4, Bits5, Bits8And6, Float, Special};
use super::preset::Preset;
use crate::quant::{
    BF16, F16, F32, IQ1_M, IQ1_S, IQ2_S, IQ2_XS, IQ2_XXS, IQ3_S, IQ3_XXS, IQ4_NL, IQ4_XS, MXFP4, Q1_0, Q2_0, Q2_K,
    Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0, TQ1_0, TQ2_0,
};

/// Every preset, by group, and in a group from the largest file down, but for a medium recipe before its small one.
pub static PRESETS: &[Preset] = &[
    Preset {
        file_type: None,
        format: None,
        ..Preset::new("COPY", 0, &F32, AsItIs).about("Every tensor keeps its precision; only the container changes.")
    },
    Preset::new("F32", 0, &F32, Float).about("Full precision; twice the size of F16 and no better for running."),
    Preset::new("F16", 1, &F16, Float).about("Half precision; what other tools expect as a starting point."),
    Preset::new("BF16", 32, &BF16, Float).about("The precision most models are published in, kept without loss."),
    Preset::new("Q8_0", 7, &Q8_0, Bits8And6)
        .about("Half of F16 with hardly any loss; the safe choice where memory allows.")
        .output(&Q8_0),
    Preset::new("Q6_K", 18, &Q6_K, Bits8And6).about("Very close to the original at 6.6 bits a weight."),
    Preset::new("Q5_K_M", 17, &Q5_K, Bits5)
        .about("Small loss; the layers that matter most get 6 bits.")
        .steps(&[step(&[AttnV, FfnDown], &[Scattered], &Q6_K)]),
    Preset::new("Q5_K_S", 16, &Q5_K, Bits5)
        .about("5.5 bits for every layer; a little smaller and a little worse than Q5_K_M."),
    Preset::new("Q5_1", 9, &Q5_1, Bits5)
        .about("The older 5-bit format with a minimum; larger than Q5_K_M at a similar loss."),
    Preset::new("Q5_0", 8, &Q5_0, Bits5).about("The older 5-bit format; fast on simple hardware.").steps(&[step(
        &[FfnDown],
        &[Imatrix, FirstEighth],
        &Q5_1,
    )]),
    Preset::new("Q4_K_M", 15, &Q4_K, Bits4).about("The usual choice: a good balance of size and quality.").steps(&[
        step(&[AttnV], &[Scattered], &Q6_K),
        step(&[FfnDown], &[Falcon, FirstSixteenth], &Q6_K),
        step(&[FfnDown], &[Falcon, Scattered], &Q5_K),
        step(&[FfnDown], &[NotFalcon, Scattered], &Q6_K),
        step(&[AttnOutput], &[EightExperts], &Q5_K),
    ]),
    Preset::new("Q4_K_S", 14, &Q4_K, Bits4)
        .about("4.5 bits for most layers; smaller than Q4_K_M with more loss.")
        .steps(&[
            step(&[AttnV], &[First(4)], &Q5_K),
            step(&[FfnDown], &[NotFalcon, FirstEighth], &Q5_K),
            step(&[AttnOutput], &[EightExperts], &Q5_K),
        ]),
    Preset::new("Q4_1", 3, &Q4_1, Bits4)
        .about("The older 4-bit format with a minimum; larger than Q4_K_S and usually worse."),
    Preset::new("Q4_0", 2, &Q4_0, Bits4)
        .about("The older 4-bit format; fast on phones and simple hardware.")
        .steps(&[step(&[FfnDown], &[Imatrix, FirstEighth], &Q4_1)]),
    Preset::new("IQ4_NL", 25, &IQ4_NL, Bits4)
        .about("4.5 bits with unevenly spaced levels; of use where rows are too short for IQ4_XS.")
        .steps(IQ4),
    Preset::new("IQ4_XS", 30, &IQ4_XS, Bits4)
        .about("4.25 bits, close to Q4_K_S in a smaller file; slower on processors.")
        .steps(IQ4),
    Preset::new("Q3_K_L", 13, &Q3_K, Bits3)
        .about("3 bits for most layers and 5 for the rest; IQ4_XS is hardly larger and better.")
        .steps(&[
            step(&[AttnV], &[], &Q5_K),
            step(&[FfnDown, AttnOutput], &[Falcon], &Q4_K),
            step(&[AttnOutput], &[EightExperts], &Q3_K),
            step(&[FfnDown, AttnOutput], &[], &Q5_K),
        ]),
    Preset::new("Q3_K_M", 12, &Q3_K, Bits3)
        .about("3 bits for most layers, a loss one notices; for when 4 bits do not fit.")
        .steps(&[
            step(&[AttnV], &[First(2)], &Q5_K),
            step(&[AttnV], &[], &Q4_K),
            step(&[FfnDown], &[FirstSixteenth], &Q5_K),
            step(&[FfnDown], &[NotFalcon], &Q4_K),
            step(&[FfnDown], &[Scattered], &Q4_K),
            step(&[AttnOutput], &[EightExperts], &Q5_K),
            step(&[AttnOutput], &[NotFalcon], &Q4_K),
        ]),
    Preset::new("Q3_K_S", 11, &Q3_K, Bits3)
        .about("3.4 bits for every layer; a clear loss, and worse than IQ3_S at its size.")
        .steps(&[step(&[AttnOutput], &[EightExperts], &Q5_K)]),
    Preset::new("IQ3_M", 27, &IQ3_S, Bits3)
        .about("A 3-bit format with a code book, more bits where it counts; slower on processors.")
        .steps(&[
            step(&[AttnV], &[], &Q4_K),
            step(&[FfnDown], &[FirstEighth], &Q4_K),
            step(&[FfnDown], &[EightExperts, Scattered], &Q4_K),
            step(&[AttnOutput], &[EightExperts], &Q5_K),
            step(&[AttnOutput], &[NotFalcon], &Q4_K),
        ]),
    Preset::new("IQ3_S", 26, &IQ3_S, Bits3)
        .about("A 3-bit format with a code book for every layer; slower on processors.")
        .steps(&[step(&[AttnV], &[GroupedQueries], &Q4_K), step(&[AttnOutput], &[EightExperts], &Q5_K)]),
    Preset::new("IQ3_XS", 22, &IQ3_S, Bits3)
        .about("3.3 bits; some layers need an importance matrix to be any good.")
        .needs_imatrix()
        .steps(&[
            step(&[AttnV], &[GroupedQueries], &Q4_K),
            step(&[AttnK, AttnQ], &[], &IQ3_XXS),
            step(&[FfnGate, FfnUp], &[MiddleLayers], &IQ3_XXS),
            step(&[AttnOutput], &[EightExperts], &Q5_K),
        ]),
    Preset::new("IQ3_XXS", 23, &IQ3_XXS, Bits3)
        .about("3 bits, and only with an importance matrix any good; the loss shows.")
        .needs_imatrix()
        .output(&Q5_K)
        .steps(&[
            step(&[TokenEmbd], &[], &IQ3_S),
            step(&[AttnV], &[GroupedQueries], &Q4_K),
            step(&[AttnV], &[NoImatrix], &IQ3_S),
            step(&[AttnK, AttnQ], &[], &IQ2_S),
            step(&[FfnDown], &[NoImatrix, FirstEighth], &Q4_K),
            step(&[FfnDown], &[NoImatrix], &Q3_K),
            step(&[AttnOutput], &[EightExperts], &Q5_K),
            step(&[AttnOutput], &[NotFalcon], &IQ3_S),
        ]),
    Preset::new("Q2_K", 10, &Q2_K, Bits2).about("2 bits for most layers and 3 for the rest; a large loss.").steps(&[
        step(&[AttnV], &[GroupedQueries], &Q4_K),
        step(&[AttnV, FfnDown], &[], &Q3_K),
        step(&[AttnOutput], &[EightExperts], &Q5_K),
        step(&[AttnOutput], &[NotFalcon], &Q3_K),
    ]),
    Preset::new("Q2_K_S", 21, &Q2_K, Bits2)
        .about("2 bits for nearly every layer, and only with an importance matrix any good.")
        .needs_imatrix()
        .steps(&[step(&[AttnV], &[GroupedQueries], &Q4_K), step(&[FfnDown], &[FirstEighth], &Q4_K)]),
    Preset::new("IQ2_M", 29, &IQ2_S, Bits2)
        .about("2.7 bits, and only with an importance matrix any good; for very large models.")
        .frugal()
        .steps(IQ2_MEDIUM),
    Preset::new("IQ2_S", 28, &IQ2_XS, Bits2)
        .about("2.5 bits, and only with an importance matrix any good; for very large models.")
        .frugal()
        .steps(IQ2_MEDIUM),
    Preset::new("IQ2_XS", 20, &IQ2_XS, Bits2)
        .about("2.3 bits, and only with an importance matrix any good; for very large models.")
        .frugal()
        .steps(IQ2_SMALL),
    Preset::new("IQ2_XXS", 19, &IQ2_XXS, Bits2)
        .about("2.1 bits, and only with an importance matrix any good; little of the model is left.")
        .frugal()
        .steps(IQ2_SMALL),
    Preset::new("IQ1_M", 31, &IQ1_M, Bits2)
        .about("1.75 bits; even with an importance matrix, which it needs, an experiment.")
        .frugal()
        .steps(IQ1),
    Preset::new("IQ1_S", 24, &IQ1_S, Bits2)
        .about("1.6 bits, the smallest; even with an importance matrix, which it needs, an experiment.")
        .frugal()
        .steps(IQ1),
    Preset::new("MXFP4_MOE", 38, &MXFP4, Special)
        .about("For mixtures of experts trained in MXFP4, such as gpt-oss: experts in 4 bits, everything else in Q8_0.")
        .output(&Q8_0)
        .steps(&[step(&[], &[Unstacked], &Q8_0)]),
    Preset::new("Q2_0", 41, &Q2_0, Special)
        .about("For models trained to four levels a weight; any other model is ruined by it.")
        .steps(&[step(&[TokenEmbd], &[], &Q4_K)]),
    Preset::new("TQ2_0", 37, &TQ2_0, Special)
        .about("For models trained to three levels a weight, such as BitNet; it ruins any other.")
        .steps(&[step(&[TokenEmbd], &[], &Q4_K)]),
    Preset::new("TQ1_0", 36, &TQ1_0, Special)
        .about("As TQ2_0 in a smaller file that is slower to run; it ruins any other model.")
        .steps(&[step(&[TokenEmbd], &[], &Q4_K)]),
    Preset::new("Q1_0", 40, &Q1_0, Special)
        .about("For models trained to two levels a weight; any other model is ruined by it."),
];

const IQ4: &[Step] = &[
    step(&[AttnV], &[GroupedQueries], &Q5_K),
    step(&[FfnDown], &[NoImatrix, FirstEighth], &Q5_K),
    step(&[AttnOutput], &[EightExperts], &Q5_K),
];

const IQ2_MEDIUM: &[Step] = &[
    step(&[TokenEmbd], &[], &IQ3_S),
    step(&[AttnV], &[GroupedQueries], &Q4_K),
    step(&[AttnV], &[FourExperts], &Q4_K),
    step(&[AttnV], &[], &IQ3_S),
    step(&[AttnK], &[EightExperts], &Q4_K),
    step(&[FfnDown], &[FirstEighth], &IQ3_S),
    step(&[AttnOutput], &[EightExperts], &Q5_K),
    step(&[AttnOutput], &[], &IQ3_S),
];

const IQ2_SMALL: &[Step] = &[
    step(&[TokenEmbd], &[], &Q2_K),
    step(&[AttnV], &[GroupedQueries], &Q4_K),
    step(&[AttnV], &[FourExperts], &Q4_K),
    step(&[AttnV], &[], &Q2_K),
    step(&[AttnK], &[EightExperts], &Q4_K),
    step(&[FfnDown], &[FirstEighth], &Q2_K),
    step(&[AttnOutput], &[EightExperts], &Q5_K),
];

const IQ1: &[Step] = &[
    step(&[TokenEmbd], &[], &Q2_K),
    step(&[AttnV], &[GroupedQueries], &Q4_K),
    step(&[AttnV], &[FourExperts], &Q4_K),
    step(&[AttnV], &[], &Q2_K),
    step(&[AttnK], &[EightExperts], &Q4_K),
    step(&[FfnDown], &[FirstEighth], &Q2_K),
    step(&[AttnOutput], &[EightExperts], &Q5_K),
    step(&[AttnOutput], &[], &IQ2_XXS),
];

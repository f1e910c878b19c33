//! How far the answers of two models agree.

/// Over a set of prompts, from the answers of two models as tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Agreement {
    /// The mean over prompts of the share of the longer answer that comes before the first difference; 1 of two empty answers.
    pub until_parting: f64,
    /// The share of prompts whose first token is the same.
    pub same_first: f64,
    /// The share of prompts whose answers are the same throughout.
    pub same_answer: f64,
}

impl Agreement {
    /// Of pairs of answers, each with the token that ended it, if one did.
    pub fn of<'a>(answers: impl IntoIterator<Item = [&'a [u32]; 2]>) -> Self {
        let (mut sums, mut count) = (Self::default(), 0.0);
        for [a, b] in answers {
            let same = parting(a, b).unwrap_or(a.len());
            let longer = a.len().max(b.len());
            sums.until_parting += if longer == 0 { 1.0 } else { same as f64 / longer as f64 };
            sums.same_first += f64::from(u8::from(same > 0 || longer == 0));
            sums.same_answer += f64::from(u8::from(same == longer));
            count += 1.0;
        }
        let mean = |sum: f64| if count > 0.0 { sum / count } else { 0.0 };
        Self {
            until_parting: mean(sums.until_parting),
            same_first: mean(sums.same_first),
            same_answer: mean(sums.same_answer),
        }
    }
}

/// The place of the first token that differs or that only one has.
pub fn parting(a: &[u32], b: &[u32]) -> Option<usize> {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    (same < a.len().max(b.len())).then_some(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_agree_until_they_part() {
        let pairs: [[&[u32]; 2]; 4] =
            [[&[1, 2, 3, 4], &[1, 2, 9, 4]], [&[1, 2], &[1, 2]], [&[1], &[2, 3]], [&[1, 2, 3, 4], &[1, 2, 3]]];
        let agreement = Agreement::of(pairs);
        assert_eq!(agreement.until_parting, (0.5 + 1.0 + 0.0 + 0.75) / 4.0);
        assert_eq!((agreement.same_first, agreement.same_answer), (0.75, 0.25));
        assert_eq!(pairs.map(|[a, b]| parting(a, b)), [Some(2), None, Some(0), Some(3)]);
        assert_eq!(Agreement::of([[&[][..], &[][..]]]).until_parting, 1.0);
        assert_eq!(Agreement::of([]), Agreement::default());
    }
}

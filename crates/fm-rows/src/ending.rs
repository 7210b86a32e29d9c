//! Iteration that ends with its first error.

/// Returns the items that `step` makes, up to its `None`; an error is the last item.
pub(crate) fn to_the_first_error<T, E>(
    mut step: impl FnMut() -> Result<Option<T>, E>,
) -> impl Iterator<Item = Result<T, E>> {
    let mut is_over = false;
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let item = step();
        is_over = !matches!(item, Ok(Some(_)));
        item.transpose()
    })
}

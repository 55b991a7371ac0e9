"""The life of models: challengers, comparisons, promotions, going back."""

"""The gate that decides whether a challenger may replace the champion."""

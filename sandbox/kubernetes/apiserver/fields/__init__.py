"""Who owns which field of an object: field sets, `managedFields` and server-side apply."""

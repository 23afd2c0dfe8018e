"""From raw rows to batches: curation, near duplicates, stratified splits, tiles, augmentation."""

"""From probabilities to decisions: rules, thresholds, and the class prior of deployment."""

"""Words that readers stumbled over: no page of the documentation and no text of the program uses them."""

OLD_WORDS = {
    r"borne|bears?|bearing": "present, has",
    r"promis(e|es|ed|ing)": "expected from validation",
    r"by heart": "memorised",
    r"learnt": "learned",
    r"even(s|ed|ing)? out": "rebalanced",
    r"ways|way back": "versions, how to undo it",
    r"as (it|they) (is|are)": "unchanged",
    r"anew": "again",
    r"stands?|stood": "is in",
    r"mend(s|ed|ing)?": "fix",
    r"deals?|dealt": "splits",
    r"(left|leaves the level) open": "does not fix",
    r"makes? (no )?sense": "works, is useful",
    r"system [A-E]": "nothing: nobody knows it",
    r"draws(?! (it|the|a) )": "samples per epoch",
    r"as shipped|ships": "default",
    r"told apart|tells? .{0,20}apart": "distinguish",
    r"of many labels": "for multilabel",
    r"summands?": "bias",
    r"such rows": "rows",
    r"so that (it|they) would": "so it would",
    r"what was so": "the cause",
    r"goes by|speaks? (as|of)|wishes|parted|straddles?|guises": "plain words",
}
"""Pattern -> what to write."""

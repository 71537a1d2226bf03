# SPDX-License-Identifier: GPL-2.0-or-later
"""From files to the model. pydantic is imported here and nowhere else.

    directories     where files live, and which file replaces or masks which
    toml_positions  on which line each key and each array item was written
    items           one type, context, duration... as written -> what it means; selectors' items are in `selectors`
    values          a value that is no list, and the list that is meant
    other_words     keys of other tools, and what to write instead
    syntax/         a text that is no TOML: where, why, and what to write instead
    files           a file's stable text, and what TOML makes of it: a Document
    schema          the pydantic models: the keys that exist, and their types
    validation      what pydantic found wrong -> Problems in our own words
    checks          what one key, and what one file, cannot know of another
    trust           who else may write the configuration
    lookalikes      files that look like configuration and are not read
    selection       one table of selectors -> the combinations that atomic rules are made of
    build           validated files -> settings, defaults, rules, and where each label comes from
    load            all of it: `load(directories) -> Configuration`, or a ConfigError with every problem of every file

Read in this order; each module imports only from those above it. A file is data that a stranger wrote: it is parsed once,
here, and what leaves this package needs no second look.
"""

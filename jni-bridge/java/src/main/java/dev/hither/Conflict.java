package dev.hither;

/** What to do where a name is taken. */
public enum Conflict {
    /** Refuse the offer. */
    REFUSE,
    /** Replace files; directories are merged. */
    OVERWRITE,
    /** Take a free name like it for the outermost name. */
    RENAME,
    /** Leave what exists and take the rest. */
    SKIP
}

package dev.hither;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** What someone offers. Names are the sender's words. */
public final class Offer {
    private final Transfer transfer;
    private final PeerId from;
    private final Standing standing;
    private final String name;
    private final List<Entry> entries;
    private final String into;
    private final long free;
    private final List<String> taken;
    private final Decision decision;
    private final @Nullable Refusal refusal;
    private final @Nullable String code;

    Offer(
            Transfer transfer,
            PeerId from,
            Standing standing,
            String name,
            List<Entry> entries,
            String into,
            long free,
            List<String> taken,
            Decision decision,
            @Nullable Refusal refusal,
            @Nullable String code) {
        this.transfer = transfer;
        this.from = from;
        this.standing = standing;
        this.name = name;
        this.entries = entries;
        this.into = into;
        this.free = free;
        this.taken = taken;
        this.decision = decision;
        this.refusal = refusal;
        this.code = code;
    }

    /** The transfer, to accept or refuse. */
    public Transfer transfer() {
        return transfer;
    }

    /** From whom. */
    public PeerId from() {
        return from;
    }

    /** What they are to this node. */
    public Standing standing() {
        return standing;
    }

    /** What the whole is called. */
    public String name() {
        return name;
    }

    /** Every file, directory and symbolic link in it, parents before children. */
    public List<Entry> entries() {
        return entries;
    }

    /** Bytes of all files; a stream counts nothing, as nobody knows. */
    public long bytes() {
        return entries.stream().mapToLong(Entry::bytes).sum();
    }

    /** Whether it is one file and nothing else, and can be taken into a descriptor. */
    public boolean isSingleFile() {
        return entries.size() == 1 && (entries.get(0).kind == Entry.Kind.FILE || entries.get(0).kind == Entry.Kind.STREAM);
    }

    /** The folder that it goes into if you name no other. */
    public String into() {
        return into;
    }

    /** Bytes free there. */
    public long free() {
        return free;
    }

    /** The paths of {@link #entries()} whose names are taken there. */
    public List<String> taken() {
        return taken;
    }

    /** What the rules say. */
    public Decision decision() {
        return decision;
    }

    /** Why the rules refuse it; null if they do not. */
    public @Nullable Refusal refusal() {
        return refusal;
    }

    /** The code by which the sender was met; null if it was by none. */
    public @Nullable String code() {
        return code;
    }

    @Override
    public String toString() {
        return "offer of " + name + " from " + from;
    }

    /** One file, directory or symbolic link of an offer. */
    public static final class Entry {
        private final String path;
        private final Kind kind;
        private final long bytes;

        Entry(String path, Kind kind, long bytes) {
            this.path = path;
            this.kind = kind;
            this.bytes = bytes;
        }

        /** Its path, with {@code /} between the parts. */
        public String path() {
            return path;
        }

        /** What it is. */
        public Kind kind() {
            return kind;
        }

        /** Its size; 0 of what is no file. */
        public long bytes() {
            return bytes;
        }

        @Override
        public String toString() {
            return path;
        }

        /** What an entry is. */
        public enum Kind {
            /** A file. */
            FILE,
            /** A directory. */
            DIRECTORY,
            /** A symbolic link. */
            LINK,
            /** A file whose size nobody knows yet. */
            STREAM
        }
    }
}

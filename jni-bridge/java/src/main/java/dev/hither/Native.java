package dev.hither;

import java.nio.file.Path;
import java.nio.file.Paths;
import org.jspecify.annotations.Nullable;

/**
 * What the native library does. Nodes are numbers; one that is stale or made up gives {@link
 * HitherException.Reason#CLOSED}. All of it may be called from any thread.
 */
final class Native {
    /** Names the library's file, where it is not on the library path: for the desktop and for tests. */
    static final String LIBRARY = "dev.hither.library";

    static {
        try {
            String path = System.getProperty(LIBRARY);
            if (path == null) {
                System.loadLibrary("hither_jni");
            } else {
                Path absolute = Paths.get(path).toAbsolutePath();
                System.load(absolute.toString());
            }
        } catch (UnsatisfiedLinkError | SecurityException error) {
            throw new HitherException(
                    HitherException.Reason.NO_LIBRARY, "the native library cannot be loaded: " + error.getMessage(), error);
        }
    }

    private Native() {}

    /** Loads the library, if it is not loaded. */
    static void load() {}

    static native String canonicalPeerId(String typed);

    static native long open(
            String dir,
            @Nullable String received,
            @Nullable String networkInterface,
            int port,
            boolean discovery,
            boolean worldwide,
            boolean mainline,
            String[] bootstrap,
            boolean askAboutContacts,
            boolean askAboutStrangers,
            long sendLimit,
            long receiveLimit);

    static native void close(long node, long graceMillis);

    static native String id(long node);

    static native String[] addresses(long node);

    static native void addAddress(long node, String peer, String address);

    static native void connect(long node, String peer);

    static native Peer[] peers(long node);

    static native Contact[] contacts(long node);

    static native void addContact(long node, String peer, String name);

    static native void renameContact(long node, String peer, String name);

    static native void removeContact(long node, String peer);

    static native void blockContact(long node, String peer, boolean blocked);

    static native void verifyContact(long node, String peer, boolean verified);

    static native String safetyWords(long node, String peer);

    static native String sendMessage(long node, String to, String text);

    static native String offer(long node, String to, String[] paths);

    static native String offerDescriptor(long node, String to, int descriptor, String name);

    static native void accept(long node, String transfer, @Nullable String into, @Nullable String name, String conflict);

    static native void acceptDescriptor(long node, String transfer, int descriptor);

    static native void refuse(long node, String transfer);

    static native void pause(long node, String transfer);

    static native void resume(long node, String transfer);

    static native void cancel(long node, String transfer);

    /** Bytes done and in all; null where it is not under way. */
    static native long @Nullable [] progress(long node, String transfer);

    static native TransferStatus[] transfers(long node);

    static native String makeCode(long node, String purpose, String[] paths, int words, long seconds, int receivers);

    static native @Nullable String codeWords(long node, String code);

    static native String enterCode(long node, String words, String purpose, String[] paths);

    static native void withdrawCode(long node, String code);

    static native void showNearby(long node, String name, long seconds);

    static native void hide(long node);

    static native void addressesChanged(long node, String[] addresses);

    static native void lookAround(long node);

    /** Waits so long for the next event, or for ever if that is negative; null when none came. */
    static native @Nullable Event next(long node, long timeoutMillis);
}

package dev.hither;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** Ids as people type them. It opens no socket. */
class PeerIdTest {
    /** What is no id gives the same reason, whatever is wrong with it. */
    @Test
    void whatIsNoIdIsNamed() {
        String huge = "hi1" + "q".repeat(10_000_000);
        for (String wrong : new String[] {"", "hi1", "hello", "hi1\u0000", "\ud800", huge, "hi1qqqq@127.0.0.1:1"}) {
            HitherException error = assertThrows(HitherException.class, () -> PeerId.parse(wrong));
            assertEquals(HitherException.Reason.INVALID_ID, error.reason());
            assertTrue(error.getMessage().length() < 500);
        }
    }
}

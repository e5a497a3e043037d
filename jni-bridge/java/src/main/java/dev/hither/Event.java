package dev.hither;

/** Something that happened, on its way to a listener. */
interface Event {
    /** Calls the listener's method for it. */
    void deliver(Hither node, Listener listener);
}

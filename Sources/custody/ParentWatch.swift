import Foundation

/// Ends this process when the one that started it is gone, even if that was killed and could end nobody.
///
/// The parent holds the other end of our standard input, and says by the environment that it does: when the kernel closes
/// that end, the input ends.
enum ParentWatch {
    /// The environment's word that standard input is the parent's life.
    static let variable = "CUSTODY_ENDS_WITH_INPUT"
    /// How long this process may take to end by itself.
    private static let patience: TimeInterval = 20

    /// Watches from now on, where the parent asked for it.
    static func begin() {
        guard ProcessInfo.processInfo.environment[variable] == "true" else { return }
        Thread.detachNewThread {
            var byte: UInt8 = 0
            var count = read(STDIN_FILENO, &byte, 1)
            while count > 0 || (count < 0 && errno == EINTR) { count = read(STDIN_FILENO, &byte, 1) }
            kill(getpid(), SIGTERM)
            Thread.sleep(forTimeInterval: patience)
            kill(getpid(), SIGKILL)
        }
    }
}

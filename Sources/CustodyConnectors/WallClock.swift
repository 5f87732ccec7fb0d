import CustodyDomain
import Foundation

/// The machine's clock: for signature timestamps and log lines only. Business times come from the transaction.
public enum WallClock {
    /// Now.
    public static func now() -> Instant { Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }
}

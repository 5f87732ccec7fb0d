/// What a custodian does by itself of what others leave to us.
public struct CustodianRole: Hashable, Sendable {
    /// The channels through which it collects from buyers; none when the platform's own channels do.
    public let collects: Set<ChannelKind>
    /// Whether it pays sub-merchants out by itself, so that nobody withdraws.
    public let paysOut: Bool

    /// Makes a role; the default is a bank's that only keeps the money.
    public init(collects: Set<ChannelKind> = [], paysOut: Bool = false) {
        self.collects = collects
        self.paysOut = paysOut
    }
}

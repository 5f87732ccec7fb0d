/// What a channel's link says of the agreement, beyond how the channel is reached.
public struct ChannelTerms: Decodable, Hashable, Sendable {
    /// The agreed fee, in hundredths of a per cent; nil leaves fees unchecked.
    public let feeBasisPoints: Int?

    private enum CodingKeys: String, CodingKey { case feeBasisPoints = "fee_basis_points" }
}

/// What a custodian's link says of the agreement, beyond how the custodian is reached.
public struct CustodianTerms: Decodable, Hashable, Sendable {
    /// The account there that takes the platform's commission.
    public let commissionAccount: String

    private enum CodingKeys: String, CodingKey { case commissionAccount = "commission_account" }
}

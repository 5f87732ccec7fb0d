/// What a channel's link says of the agreement, beyond how the channel is reached.
public struct ChannelTerms: Decodable, Hashable, Sendable {
    /// The agreed fee, in hundredths of a per cent; nil leaves fees unchecked.
    public let feeBasisPoints: Int?

    private enum CodingKeys: String, CodingKey { case feeBasisPoints = "fee_basis_points" }
}

/// What a custodian's link says of the agreement, beyond how the custodian is reached.
public struct CustodianTerms: Decodable, Hashable, Sendable {
    /// The account there that takes the platform's commission: the link's `commission_account`, or else the platform's own
    /// account there where the dialect has one.
    public let commissionAccount: String
    /// Under which name the custodian knows that account's holder; some compare it.
    public let commissionHolder: String?
    /// The agreed fee of what the custodian collects, in hundredths of a per cent; nil leaves fees unchecked.
    public let feeBasisPoints: Int?

    private enum CodingKeys: String, CodingKey {
        case commissionAccount = "commission_account"
        case commissionHolder = "commission_holder"
        case feeBasisPoints = "fee_basis_points"
    }

    /// Reads the terms beside the link that they belong to.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        feeBasisPoints = try fields.decodeIfPresent(Int.self, forKey: .feeBasisPoints)
        commissionHolder = try fields.decodeIfPresent(String.self, forKey: .commissionHolder)
        if !fields.contains(.commissionAccount), let own = try CustodianLink(from: decoder).ownAccount {
            commissionAccount = own
        } else {
            commissionAccount = try fields.decode(String.self, forKey: .commissionAccount)
        }
    }
}

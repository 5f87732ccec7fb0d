/// What a counterparty's refusal of a signed question says about the link itself.
public enum LinkTrouble: Hashable, Sendable {
    /// It does not know our signature: key or serial number.
    case signature
    /// It does not know our numbers.
    case numbers
    /// Our time is not its time.
    case clock
    /// Our address is not on its list.
    case address
    /// We may not ask it that.
    case permission

    /// By the counterparties' own codes, of which no two mean different things.
    ///
    /// Source: CWP/1's table of codes; WeChat Pay's and Alipay's public codes.
    private static let byCode: [String: LinkTrouble] = [
        "100002": .signature, "100003": .numbers, "100004": .clock, "100008": .address, "stale_time": .clock,
        "SIGN_ERROR": .signature, "NO_AUTH": .permission, "MCH_NOT_EXISTS": .numbers, "APPID_MCHID_NOT_MATCH": .numbers,
        "isv.invalid-signature": .signature, "isv.missing-signature": .signature,
        "isv.invalid-signature-type": .signature, "isv.invalid-app-id": .numbers, "isv.invalid-timestamp": .clock,
        "isv.insufficient-isv-permissions": .permission, "isv.insufficient-user-permissions": .permission,
    ]

    /// What a counterparty's code says; nil when it is not about the link.
    public init?(code: String) {
        guard let found = LinkTrouble.byCode[code] else { return nil }
        self = found
    }
}

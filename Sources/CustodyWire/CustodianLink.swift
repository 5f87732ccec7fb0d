import CustodyDomain

/// The link of a platform to its custodian: each platform has the custodian that its link's `dialect` names.
///
/// A custodian of another dialect gets another case here, its connector one in the worker, and its notifications a way to
/// be verified in the API.
public enum CustodianLink: Decodable, Hashable, Sendable {
    /// A bank that speaks CWP/1; also what a link means that names no dialect.
    case cwp1(CWP1Link)
    /// CCB 惠市宝.
    case ccb(CCBLink)
    /// WeChat Pay's own custody, 电商收付通: the link of an e-commerce platform (`partner.kind` is `ecommerce`).
    case weChatEcommerce(WeChatPayLink)
    /// Alipay's own custody, 直付通.
    case alipayDirect(AlipayLink)

    /// The names of dialects, as links say them.
    public enum Dialect: String, CaseIterable, Codable, Hashable, Sendable {
        /// ``CustodianLink/cwp1(_:)``
        case cwp1
        /// ``CustodianLink/ccb(_:)``
        case ccb
        /// ``CustodianLink/weChatEcommerce(_:)``
        case weChatEcommerce = "wechat_ecommerce"
        /// ``CustodianLink/alipayDirect(_:)``
        case alipayDirect = "alipay_direct"

        /// What a custodian of this dialect does by itself.
        public var role: CustodianRole {
            switch self {
            case .cwp1: CustodianRole()
            // Buyers pay at its cash desk, with WeChat Pay among others; its statements do not tell them apart.
            case .ccb: CustodianRole(collects: [.weChatPay], paysOut: true)
            case .weChatEcommerce: CustodianRole(collects: [.weChatPay])
            case .alipayDirect: CustodianRole(collects: [.alipay], paysOut: true)
            }
        }
    }

    private enum CodingKeys: String, CodingKey { case dialect }

    /// Reads the dialect's own fields; those of others are not looked at.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        switch try fields.decodeIfPresent(Dialect.self, forKey: .dialect) ?? .cwp1 {
        case .cwp1: self = .cwp1(try CWP1Link(from: decoder))
        case .ccb: self = .ccb(try CCBLink(from: decoder))
        case .weChatEcommerce:
            let link = try WeChatPayLink(from: decoder)
            guard link.partner?.kind == .ecommerce else {
                throw DecodingError.dataCorrupted(
                    .init(
                        codingPath: [WeChatPayLink.CodingKeys.partner, WeChatPayLink.Partner.CodingKeys.kind],
                        debugDescription: "is not an e-commerce platform's"))
            }
            self = .weChatEcommerce(link)
        case .alipayDirect: self = .alipayDirect(try AlipayLink(from: decoder))
        }
    }

    /// Which dialect it is.
    public var dialect: Dialect {
        switch self {
        case .cwp1: .cwp1
        case .ccb: .ccb
        case .weChatEcommerce: .weChatEcommerce
        case .alipayDirect: .alipayDirect
        }
    }

    /// Where the custodian listens.
    public var baseURL: String {
        switch self {
        case .cwp1(let link): link.baseURL
        case .ccb(let link): link.baseURL
        case .weChatEcommerce(let link): link.baseURL
        case .alipayDirect(let link): link.gatewayURL
        }
    }

    /// The account there that takes the platform's commission, where the dialect says it; others name it in their terms.
    public var ownAccount: String? {
        switch self {
        case .cwp1, .ccb: nil
        case .weChatEcommerce(let link): link.mchid
        case .alipayDirect(let link): link.sellerID
        }
    }
}

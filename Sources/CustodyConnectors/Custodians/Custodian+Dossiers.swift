import CustodyDomain

/// What some custodians ask of a sub-merchant beyond its names and numbers. What is nil or empty is left out of messages.
public struct SubMerchantDossier: Hashable, Sendable {
    /// A shop, stall or page where it sells.
    public struct Shop: Hashable, Sendable {
        /// Our number of it.
        public let number: String
        /// Its name.
        public let name: String
        /// Its address on the web.
        public let url: String?

        /// Makes a shop.
        public init(number: String, name: String, url: String?) {
            self.number = number
            self.name = name
            self.url = url
        }
    }

    /// The sub-merchant's click under the custodian's terms (协议签署留痕).
    public struct Consent: Hashable, Sendable {
        /// When.
        public let at: Instant
        /// From which address of the network.
        public let ipAddress: String
        /// Through what: `APP`, `WEB` or `PAPER`.
        public let channel: String

        /// Makes a consent.
        public init(at: Instant, ipAddress: String, channel: String) {
            self.at = at
            self.ipAddress = ipAddress
            self.channel = channel
        }
    }

    /// Who owns or controls it in the end (受益所有人). Personal data.
    public struct Owner: Hashable, Sendable {
        /// The name.
        public let name: String
        /// The identity-card number.
        public let idNumber: String

        /// Makes an owner.
        public init(name: String, idNumber: String) {
            self.name = name
            self.idNumber = idNumber
        }
    }

    /// The name buyers read.
    public var shortName: String?
    /// Where it is registered.
    public var address: String?
    /// The trade it is in, by the card organizations' category code (MCC) or the custodian's own.
    public var categoryCode: String?
    /// The contact's e-mail address. Personal data.
    public var contactEmail: String?
    /// Until when the licence is valid; nil when it is for good or not known.
    public var licenceExpires: BusinessDate?
    /// Until when the legal person's identity card is valid; nil when it is for good or not known.
    public var legalPersonIDExpires: BusinessDate?
    /// Where it sells.
    public var shops: [Shop]
    /// Who owns it in the end.
    public var owners: [Owner]
    /// What was handed in, by its kind.
    public var materials: [MaterialUpload.Kind: String]
    /// Its click under the terms.
    public var consent: Consent?
    /// The account that is to be bound with the opening, where the custodian binds it then; its sub-account is empty.
    public var settlementAccount: AccountBinding?
    /// Whether the platform had it before it had this custodian (存量).
    public var isStock: Bool

    /// Makes a dossier of which nothing is known.
    public init() {
        shops = []
        owners = []
        materials = [:]
        isStock = false
    }
}

/// What changes of a sub-merchant; what is nil stays.
public struct SubMerchantChange: Hashable, Sendable {
    /// Our number of the sub-merchant.
    public let number: String
    /// Its registered name.
    public var name: String?
    /// Its licence or certificate number. Personal data when it is a person.
    public var certificateNumber: String?
    /// The legal person's name. Personal data.
    public var legalPersonName: String?
    /// The legal person's identity-card number. Personal data.
    public var legalPersonIDNumber: String?
    /// The contact's name. Personal data.
    public var contactName: String?
    /// The contact's mobile number. Personal data.
    public var contactMobile: String?
    /// Whatever else changes.
    public var dossier = SubMerchantDossier()

    /// Makes a change of nothing.
    public init(number: String) { self.number = number }
}

/// A picture or document for an application.
public struct MaterialUpload: Hashable, Sendable {
    /// What it shows. The raw value is stored.
    public enum Kind: String, CaseIterable, Hashable, Sendable {
        /// The licence.
        case licence
        /// The legal person's identity card, the side with the portrait.
        case idPortrait = "id_portrait"
        /// The legal person's identity card, the side with the emblem.
        case idEmblem = "id_emblem"
        /// The shop from outside.
        case shopFront = "shop_front"
        /// The shop from inside.
        case shopInside = "shop_inside"
        /// The bank's permission to hold an account, or a card.
        case account
        /// A licence of the trade.
        case qualification
        /// A signed agreement.
        case agreement
        /// A file of stock merchants.
        case stock
        /// Anything else.
        case other
    }

    /// What it shows.
    public let kind: Kind
    /// Its name, with an ending.
    public let fileName: String
    /// Its type, such as `image/jpeg`.
    public let contentType: String
    /// The bytes.
    public let bytes: [UInt8]

    /// Makes an upload.
    public init(kind: Kind, fileName: String, contentType: String, bytes: [UInt8]) {
        self.kind = kind
        self.fileName = fileName
        self.contentType = contentType
        self.bytes = bytes
    }
}

/// A picture or document as the custodian keeps it.
public struct CustodianMaterial: Hashable, Sendable {
    /// The custodian's number of it.
    public let fileID: String

    /// Makes an answer.
    public init(fileID: String) { self.fileID = fileID }
}

/// Someone who may receive parts of orders without being a sub-merchant there (分账接收方).
public struct SplitReceiver: Hashable, Sendable {
    /// What kind of account it has.
    public enum Kind: String, CaseIterable, Hashable, Sendable {
        /// A merchant of the custodian.
        case merchant
        /// A person, by an id at the custodian.
        case person
        /// A person, by a login name.
        case loginName = "login_name"
    }

    /// What kind of account it has.
    public let kind: Kind
    /// The account.
    public let account: String
    /// The holder's name, where the custodian compares it. Personal data when it is a person.
    public let name: String?
    /// What it is to the platform: `SUPPLIER`, `DISTRIBUTOR`, `SERVICE_PROVIDER`, `PLATFORM` or `OTHERS`.
    public let relation: String

    /// Makes a receiver.
    public init(kind: Kind, account: String, name: String?, relation: String) {
        self.kind = kind
        self.account = account
        self.name = name
        self.relation = relation
    }
}

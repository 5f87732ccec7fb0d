import CustodyDomain

/// An order as it is registered at the custodian.
public struct OrderRegistration: Hashable, Sendable {
    /// One party's part of an order.
    public struct Part: Hashable, Sendable {
        /// Our number of the part, unique within the order.
        public let number: String
        /// The party's account at the custodian.
        public let account: String
        /// Its amount.
        public let amount: Fen
        /// Whether it is the platform's commission.
        public let isCommission: Bool

        /// Makes a part.
        public init(number: String, account: String, amount: Fen, isCommission: Bool) {
            self.number = number
            self.account = account
            self.amount = amount
            self.isCommission = isCommission
        }
    }

    /// The receipt, once the order is paid.
    public struct Payment: Hashable, Sendable {
        /// Who collected.
        public let channel: ChannelKind
        /// Our merchant number at the channel.
        public let channelMerchantNumber: String
        /// The channel's number of the payment.
        public let channelOrderNumber: String
        /// When it was paid.
        public let paidAt: Instant

        /// Makes a receipt.
        public init(channel: ChannelKind, channelMerchantNumber: String, channelOrderNumber: String, paidAt: Instant) {
            self.channel = channel
            self.channelMerchantNumber = channelMerchantNumber
            self.channelOrderNumber = channelOrderNumber
            self.paidAt = paidAt
        }
    }

    /// Our number of the order (`mainOrderNo`).
    public let number: String
    /// The whole amount; the parts sum to it.
    public let amount: Fen
    /// Who gets what.
    public let parts: [Part]
    /// The receipt; nil while the order is only intended.
    public let payment: Payment?
    /// The day on which the receipt of goods counts as confirmed; nil leaves it to the custodian.
    public let confirmBy: BusinessDate?

    /// Makes a registration.
    public init(number: String, amount: Fen, parts: [Part], payment: Payment?, confirmBy: BusinessDate? = nil) {
        self.number = number
        self.amount = amount
        self.parts = parts
        self.payment = payment
        self.confirmBy = confirmBy
    }
}

/// A refund as it is registered at the custodian.
public struct RefundRegistration: Hashable, Sendable {
    /// Our number of the refund.
    public let number: String
    /// The order it belongs to.
    public let orderNumber: String
    /// The amount that goes back.
    public let amount: Fen
    /// Who gives back how much, by account at the custodian; sums to the amount.
    public let giveBack: [Giver]
    /// What it is paid from; nil leaves it to the custodian.
    public let source: RefundSource?

    /// A party that gives back.
    public struct Giver: Hashable, Sendable {
        /// The part's number in the order.
        public let partNumber: String
        /// The party's account at the custodian.
        public let account: String
        /// Its amount.
        public let amount: Fen

        /// Makes a party that gives back.
        public init(partNumber: String, account: String, amount: Fen) {
            self.partNumber = partNumber
            self.account = account
            self.amount = amount
        }
    }

    /// Makes a registration.
    public init(
        number: String, orderNumber: String, amount: Fen, giveBack: [Giver], source: RefundSource? = nil
    ) {
        self.number = number
        self.orderNumber = orderNumber
        self.amount = amount
        self.giveBack = giveBack
        self.source = source
    }
}

/// A split of an order's held money.
public struct SplitInstruction: Hashable, Sendable {
    /// Our number of the split.
    public let number: String
    /// The order it belongs to.
    public let orderNumber: String
    /// Who gets how much now, each no more than what is held for it.
    public let items: [OrderRegistration.Part]
    /// Whether this is the last split of the order.
    public let isLast: Bool
    /// Whether it splits all that came in and did not go back, at once.
    public let isWhole: Bool

    /// Makes a split.
    public init(
        number: String, orderNumber: String, items: [OrderRegistration.Part], isLast: Bool, isWhole: Bool = false
    ) {
        self.number = number
        self.orderNumber = orderNumber
        self.items = items
        self.isLast = isLast
        self.isWhole = isWhole
    }
}

/// The confirmation of receipt (确认收货) of an order, or of some of its parts.
public struct SettlementConfirmation: Hashable, Sendable {
    /// Our number of the confirmation.
    public let number: String
    /// The order it belongs to.
    public let orderNumber: String
    /// The parts and amounts that are set free; empty for all that is held.
    public let parts: [OrderRegistration.Part]

    /// Makes a confirmation.
    public init(number: String, orderNumber: String, parts: [OrderRegistration.Part]) {
        self.number = number
        self.orderNumber = orderNumber
        self.parts = parts
    }
}

/// A split, or parts of it, taken back from those who received.
public struct SplitReversal: Hashable, Sendable {
    /// Our number of the reversal.
    public let number: String
    /// The split that is reversed.
    public let splitNumber: String
    /// The order it belongs to.
    public let orderNumber: String
    /// Who gives back how much.
    public let items: [RefundRegistration.Giver]

    /// Makes a reversal.
    public init(number: String, splitNumber: String, orderNumber: String, items: [RefundRegistration.Giver]) {
        self.number = number
        self.splitNumber = splitNumber
        self.orderNumber = orderNumber
        self.items = items
    }
}

/// A split as the custodian knows it.
public struct CustodianSplit: Hashable, Sendable {
    /// One receiver's item.
    public struct Item: Hashable, Sendable {
        /// Our number of the part, or the receiver's account where the custodian has no other.
        public let number: String
        /// What came of it.
        public let state: CustodianResult.State

        /// Makes an item.
        public init(number: String, state: CustodianResult.State) {
            self.number = number
            self.state = state
        }
    }

    /// Whether the split as a whole is carried out; items may have failed all the same.
    public let state: CustodianResult.State
    /// What came of each.
    public let items: [Item]

    /// Makes an answer.
    public init(state: CustodianResult.State, items: [Item]) {
        self.state = state
        self.items = items
    }
}

/// An order as the custodian knows it.
public struct CustodianOrder: Hashable, Sendable {
    /// The custodian's states, in our words.
    public enum State: String, CaseIterable, Hashable, Sendable {
        /// Only its intention is known.
        case intended
        /// Its receipt is registered; the money is in transit.
        case registered
        /// Its money is there.
        case funded
        /// All of it has been split or set free.
        case finished
        /// Taken back.
        case cancelled
        /// The custodian does not know it.
        case absent
    }

    /// Where it is.
    public let state: State
    /// What is held for it and not split yet; nil when the answer does not say.
    public let held: Fen?

    /// Makes an answer.
    public init(state: State, held: Fen?) {
        self.state = state
        self.held = held
    }
}

/// A receipt that the custodian itself collects from the buyer.
public struct CollectionInstruction: Hashable, Sendable {
    /// The order: its number, amount and parts; never with a payment.
    public let order: OrderRegistration
    /// How the buyer pays.
    public let method: PaymentMethod
    /// What the buyer reads.
    public let description: String
    /// When it can no longer be paid.
    public let expiresAt: Instant
    /// The buyer's id at the channel, where the method needs it.
    public let payerID: String?
    /// Where the buyer's browser goes afterwards.
    public let returnURL: String?

    /// Makes an instruction.
    public init(
        order: OrderRegistration, method: PaymentMethod, description: String, expiresAt: Instant,
        payerID: String? = nil, returnURL: String? = nil
    ) {
        self.order = order
        self.method = method
        self.description = description
        self.expiresAt = expiresAt
        self.payerID = payerID
        self.returnURL = returnURL
    }
}

/// A receipt that the custodian collects, as it knows it.
public struct CustodianCollection: Hashable, Sendable {
    /// The custodian's states, in our words.
    public enum State: Hashable, Sendable {
        /// Waits for the buyer; with what the front end needs, in the first answer.
        case toPay(PaymentPrompt?)
        /// Paid.
        case paid(at: Instant?, channelNumber: String?)
        /// It failed, and cannot be paid any more.
        case failed(Refusal)
        /// Not paid in time, or closed.
        case closed
        /// The custodian does not know it.
        case absent
    }

    /// Where it is.
    public let state: State
    /// The custodian's own number of it.
    public let bankNumber: String?
    /// What the buyer is asked to pay; nil when the answer does not say.
    public let amount: Fen?

    /// Makes an answer.
    public init(state: State, bankNumber: String?, amount: Fen?) {
        self.state = state
        self.bankNumber = bankNumber
        self.amount = amount
    }
}

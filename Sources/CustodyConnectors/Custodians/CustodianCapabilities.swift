import CustodyDomain

/// What a custodian can do and on which terms: data, so that business code asks instead of knowing names of banks.
public struct Capabilities: Hashable, Sendable {
    /// Who of two parties does something.
    public enum Party: String, CaseIterable, Hashable, Sendable {
        /// The platform, through us.
        case platform
        /// The custodian itself.
        case custodian
    }

    /// When an order's money may be split.
    public enum SplitTiming: String, CaseIterable, Hashable, Sendable {
        /// By the parts given with the order.
        case atOrder = "at_order"
        /// By an instruction of its own after the payment.
        case later
        /// By the confirmation of receipt.
        case onConfirmation = "on_confirmation"
    }

    /// How we hear of outcomes.
    public enum Delivery: String, CaseIterable, Hashable, Sendable {
        /// The custodian notifies.
        case push
        /// We ask.
        case poll
    }

    /// What the custodian demands of the numbers we give.
    public struct Numbers: Hashable, Sendable {
        /// The longest number of an instruction, in characters.
        public var serialLength: Int
        /// The longest number of an order, refund, split or withdrawal, in characters.
        public var businessLength: Int
        /// Whether numbers are letters and digits only.
        public var alphanumericOnly: Bool
        /// Whether a number may not come again for another operation either.
        public var isOneSpace: Bool

        /// Makes demands.
        public init(serialLength: Int, businessLength: Int, alphanumericOnly: Bool, isOneSpace: Bool) {
            self.serialLength = serialLength
            self.businessLength = businessLength
            self.alphanumericOnly = alphanumericOnly
            self.isOneSpace = isOneSpace
        }
    }

    /// How much of something there may be.
    public struct Limits: Hashable, Sendable {
        /// Parts of one order.
        public var partsPerOrder: Int
        /// Receivers of one split instruction.
        public var itemsPerSplit: Int
        /// Split instructions of one order.
        public var splitsPerOrder: Int
        /// Refunds of one order.
        public var refundsPerOrder: Int
        /// The share of an order that may be split away from its payee, in hundredths of a per cent.
        public var splitShareBasisPoints: Int
        /// Bytes of a file handed in.
        public var materialBytes: Int

        /// Makes limits.
        public init(
            partsPerOrder: Int, itemsPerSplit: Int, splitsPerOrder: Int, refundsPerOrder: Int,
            splitShareBasisPoints: Int = 10_000, materialBytes: Int = 5 << 20
        ) {
            self.partsPerOrder = partsPerOrder
            self.itemsPerSplit = itemsPerSplit
            self.splitsPerOrder = splitsPerOrder
            self.refundsPerOrder = refundsPerOrder
            self.splitShareBasisPoints = splitShareBasisPoints
            self.materialBytes = materialBytes
        }
    }

    /// The custodian's promises and limits in time (时效).
    public struct Deadlines: Hashable, Sendable {
        /// When the bank's date turns, since midnight in Shanghai.
        public var cutOff: Duration
        /// A review of a sub-merchant, in workdays.
        public var reviewWorkdays: Int
        /// Verifying its account, in days.
        public var verificationDays: Int
        /// Signing, in days.
        public var signatureDays: Int
        /// How many days after the payment's an order may still be registered.
        public var registrationDays: Int
        /// When on T+1 the lump must have come, since midnight in Shanghai.
        public var fundedBy: Duration
        /// A refund.
        public var refund: Duration
        /// How long after the payment a refund may be made, in days.
        public var refundDays: Int
        /// A split.
        public var split: Duration
        /// How long after the payment an order may be split, in days; then it is set free by itself.
        public var splitDays: Int
        /// A withdrawal on the same day.
        public var withdrawal: Duration
        /// How long after a withdrawal it may still come back, in workdays.
        public var returnWorkdays: Int
        /// When on T+1 the files of T are there, since midnight in Shanghai.
        public var filesBy: Duration
        /// How long after it was asked for first an instruction that is not found was never received.
        public var absenceBelieved: Duration

        /// Makes promises; the defaults are those of CWP/1's reference bank.
        public init(
            cutOff: Duration = .seconds(23 * 3600 + 1800), reviewWorkdays: Int = 3, verificationDays: Int = 10,
            signatureDays: Int = 30, registrationDays: Int = 1, fundedBy: Duration = .seconds(12 * 3600),
            refund: Duration = .seconds(1800), refundDays: Int = 365, split: Duration = .seconds(1800),
            splitDays: Int = 180, withdrawal: Duration = .seconds(7200), returnWorkdays: Int = 5,
            filesBy: Duration = .seconds(10 * 3600 + 1800), absenceBelieved: Duration = .seconds(600)
        ) {
            self.cutOff = cutOff
            self.reviewWorkdays = reviewWorkdays
            self.verificationDays = verificationDays
            self.signatureDays = signatureDays
            self.registrationDays = registrationDays
            self.fundedBy = fundedBy
            self.refund = refund
            self.refundDays = refundDays
            self.split = split
            self.splitDays = splitDays
            self.withdrawal = withdrawal
            self.returnWorkdays = returnWorkdays
            self.filesBy = filesBy
            self.absenceBelieved = absenceBelieved
        }
    }

    /// The custodian's name in logs and refusals, such as `CWP/1`.
    public var name: String
    /// What it has; anything else is refused as unsupported before it is sent.
    public var operations: Set<CustodianOperation>
    /// What of it is asked about by sending it again: the custodian answers a repeated number with what it did, and has no
    /// question for it.
    public var repeatable: Set<CustodianOperation>
    /// Who collects from buyers.
    public var collector: Party
    /// Who signs sub-merchants: we open them there, or it tells us of those it signed.
    public var signer: Party
    /// When an order's money may be split.
    public var splitTimings: Set<SplitTiming>
    /// Whether an order that waits for the confirmation of its receipt must have it before it is split.
    public var confirmsFirst: Bool
    /// Whether a receipt may be confirmed in parts.
    public var confirmsPartially: Bool
    /// What refunds may be paid from.
    public var refundSources: Set<RefundSource>
    /// How fast withdrawals may be.
    public var withdrawalSpeeds: Set<WithdrawalSpeed>
    /// How settlement accounts may be verified.
    public var verifications: Set<AccountBinding.Verification>
    /// How we hear of outcomes.
    public var deliveries: Set<Delivery>
    /// Its daily files.
    public var fileKinds: Set<CustodianFileKind>
    /// Whether money that has not been turned free by the day's end may already be spent.
    public var pendingIsSpendable: Bool
    /// How much of something there may be.
    public var limits: Limits
    /// Its promises in time.
    public var deadlines: Deadlines
    /// Its demands on our numbers.
    public var numbers: Numbers
    /// How long after each attempt an unanswered notification is sent again.
    public var notifySchedule: [Duration]
    /// What its test environment lacks, in words for people.
    public var testGaps: [String]

    /// Makes capabilities.
    public init(
        name: String, operations: Set<CustodianOperation>, repeatable: Set<CustodianOperation> = [], collector: Party,
        signer: Party,
        splitTimings: Set<SplitTiming>, confirmsFirst: Bool = false, confirmsPartially: Bool,
        refundSources: Set<RefundSource>,
        withdrawalSpeeds: Set<WithdrawalSpeed>, verifications: Set<AccountBinding.Verification>,
        deliveries: Set<Delivery>, fileKinds: Set<CustodianFileKind>, pendingIsSpendable: Bool = false,
        limits: Limits, deadlines: Deadlines = Deadlines(), numbers: Numbers, notifySchedule: [Duration],
        testGaps: [String] = []
    ) {
        self.name = name
        self.operations = operations
        self.repeatable = repeatable
        self.collector = collector
        self.signer = signer
        self.splitTimings = splitTimings
        self.confirmsFirst = confirmsFirst
        self.confirmsPartially = confirmsPartially
        self.refundSources = refundSources
        self.withdrawalSpeeds = withdrawalSpeeds
        self.verifications = verifications
        self.deliveries = deliveries
        self.fileKinds = fileKinds
        self.pendingIsSpendable = pendingIsSpendable
        self.limits = limits
        self.deadlines = deadlines
        self.numbers = numbers
        self.notifySchedule = notifySchedule
        self.testGaps = testGaps
    }
}

/// What a refund is paid from.
public enum RefundSource: String, CaseIterable, Hashable, Sendable {
    /// What is still held for the order.
    case held
    /// What the parties may withdraw.
    case available
    /// The platform's own money, advanced.
    case platformAdvance = "platform_advance"
}

/// How fast a withdrawal is.
public enum WithdrawalSpeed: String, CaseIterable, Hashable, Sendable {
    /// The same day, within the window (T+0).
    case sameDay = "same_day"
    /// The next workday (T+1).
    case nextDay = "next_day"
    /// With the custodian's next batch.
    case batch
}

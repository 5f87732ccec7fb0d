/// A queue of jobs (任务队列): a partition of the job table with workers of its own.
public enum Queue: String, CaseIterable, Hashable, Sendable {
    /// What channels and bank told us.
    case callbacks
    /// What is to be sent to channels: a buyer waits for it, so it never stands behind the bank's.
    case payments
    /// What is to be sent to the bank.
    case instructions
    /// What is to be asked of them, and deadlines to watch.
    case queries
    /// Statements to fetch.
    case statements
    /// Days to match.
    case reconciliation
    /// Money to release and pay out.
    case settlement
    /// Events to deliver to platforms.
    case webhooks
}

/// Everything that can be done later. A closed list: the worker switches over it, so none is without a handler.
public enum JobKind: String, CaseIterable, Hashable, Sendable {
    /// Process a stored callback; about a callback.
    case processCallback = "process_callback"

    /// Open a sub-merchant at the custodian; about a sub-merchant.
    case openSubMerchant = "open_sub_merchant"
    /// Ask how its review goes; about a sub-merchant.
    case pollSubMerchant = "poll_sub_merchant"
    /// Close it there; about a sub-merchant.
    case closeSubMerchant = "close_sub_merchant"
    /// Bind a settlement account; about a bank account.
    case bindAccount = "bind_account"
    /// Hand in the holder's proof; about a bank account.
    case confirmAccount = "confirm_account"
    /// Tell the custodian of an order; about an order.
    case syncOrder = "sync_order"
    /// Tell the custodian that it was paid; about an order.
    case registerReceipt = "register_receipt"
    /// Tell the custodian of a refund; about a refund.
    case registerRefund = "register_refund"
    /// Split at the custodian; about a split.
    case sendSplit = "send_split"
    /// Pay out at the custodian; about a withdrawal.
    case sendWithdrawal = "send_withdrawal"
    /// Look for returns of a withdrawal that succeeded; about a withdrawal.
    case watchWithdrawal = "watch_withdrawal"

    /// Place a payment with its channel; about a payment.
    case placePayment = "place_payment"
    /// Ask the channel about it until it is paid or closed; about a payment.
    case pollPayment = "poll_payment"
    /// Close what can no longer be paid; about a platform, for ever.
    case expireOrders = "expire_orders"
    /// Download the certificates that a channel signs with; about a platform, every hour.
    case refreshCertificates = "refresh_certificates"
    /// Send a refund to the channel; about a refund.
    case sendRefund = "send_refund"

    /// Begin a day: plan its statements and its settlement; about a date.
    case openDay = "open_day"
    /// Fetch a statement; about `source/form/date`.
    case fetchStatement = "fetch_statement"
    /// Match a channel's day; about `channel/date`.
    case reconcile
    /// Release and pay out what is due; about a date.
    case settle

    /// The queue its first run belongs to.
    public var queue: Queue {
        switch self {
        case .processCallback: .callbacks
        case .openSubMerchant, .closeSubMerchant, .bindAccount, .confirmAccount, .syncOrder, .registerReceipt,
            .registerRefund, .sendSplit, .sendWithdrawal:
            .instructions
        case .placePayment, .sendRefund: .payments
        case .pollSubMerchant, .pollPayment, .expireOrders, .refreshCertificates, .watchWithdrawal: .queries
        case .openDay, .fetchStatement: .statements
        case .reconcile: .reconciliation
        case .settle: .settlement
        }
    }

    /// Whether a sandbox's test clock says when it is due; signatures and their keys live on real time instead.
    public var followsTestClock: Bool { self != .refreshCertificates }
}

/// A job to be done: its kind, and what it is about. The row it names is the truth; the job is only a reminder.
public struct JobRequest: Hashable, Sendable {
    /// What is to be done.
    public let kind: JobKind
    /// To what: a UUID, or the form that the kind says.
    public let subject: String

    /// Makes a request about something by its text.
    public init(_ kind: JobKind, _ subject: String) {
        self.kind = kind
        self.subject = subject
    }

    /// Makes a request about a row.
    public init<Entity: Identified>(_ kind: JobKind, _ id: ID<Entity>) {
        self.init(kind, id.uuid.text)
    }

    /// The id that the subject names; nil when it names none.
    public func id<Entity: Identified>(of entity: Entity.Type = Entity.self) -> ID<Entity>? {
        UUIDv7(text: subject).map { ID($0) }
    }
}

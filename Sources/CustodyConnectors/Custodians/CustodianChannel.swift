import CustodyDomain
import CustodyWire

/// A custodian that collects from buyers, as the channel they pay through: who places and follows payments need not know
/// that the money is in custody at once.
///
/// A payment's number is the order's at the custodian. In the custodian's statements the share of one payee may stand under
/// `<number>-<n>`, where payees count from 1 as the order first names them.
public struct CustodianChannel: Channel {
    /// Which channel buyers pay through.
    public let kind: ChannelKind
    private let custodian: any Custodian
    private let clock: @Sendable () -> Instant

    /// Makes a channel of a custodian whose capabilities say that it collects.
    public init(_ kind: ChannelKind, of custodian: any Custodian, clock: @escaping @Sendable () -> Instant) {
        self.kind = kind
        self.custodian = custodian
        self.clock = clock
    }

    /// Has the custodian collect.
    public func pay(_ order: ChannelOrder) async -> Reply<PaymentPrompt> {
        let collection = CollectionInstruction(
            order: OrderRegistration(
                number: order.serial, amount: order.amount, parts: order.parts, payment: nil,
                confirmBy: order.confirmBy),
            method: order.method, description: order.description, expiresAt: order.expiresAt, payerID: order.payerID)
        switch await custodian.collect(collection, serial: order.serial) {
        case .answered(let collection):
            switch collection.state {
            case .toPay(let prompt?): return .answered(prompt)
            case .failed(let refusal): return .refused(refusal)
            case .toPay(nil), .absent:
                return .unknown(Doubt(.malformedAnswer, "nothing that the buyer can pay with"))
            case .paid, .closed:
                return .refused(
                    Refusal(
                        code: "order_\(collection.state.word)", message: "it stands there already",
                        standing: .numberTaken))
            }
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    /// Asks the custodian.
    public func queryPayment(serial: String) async -> Reply<ChannelPayment> {
        await custodian.queryCollection(number: serial, serial: serial)
            .reading { collection throws(Doubt) in ChannelPayment(collection) }
    }

    /// Has the custodian close it; a custodian that cannot lets it expire, and the next question finds that.
    public func closePayment(serial: String) async -> Reply<ChannelPayment> {
        guard custodian.capabilities.operations.contains(.closeCollection) else {
            return await queryPayment(serial: serial)
        }
        return await custodian.closeCollection(number: serial, serial: serial).reading { result throws(Doubt) in
            switch result.state {
            case .succeeded: ChannelPayment(state: .closed)
            case .absent: ChannelPayment(state: .absent)
            case .processing, .failed, .returned: throw Doubt(.systemError, "it is not closed")
            }
        }
    }

    /// Has the custodian send money back, at the cost of those who give it.
    public func refund(_ refund: ChannelRefundRequest) async -> Reply<ChannelRefund> {
        let registration = RefundRegistration(
            number: refund.serial, orderNumber: refund.paymentSerial, amount: refund.amount, giveBack: refund.giveBack)
        return await custodian.refund(registration, serial: refund.serial)
            .reading { result throws(Doubt) in try ChannelRefund(result) }
    }

    /// Asks the custodian, by the refund's number and the order's.
    public func queryRefund(serial: String, paymentSerial: String) async -> Reply<ChannelRefund> {
        await custodian.query(
            .refund, serial: serial, sentOn: BusinessDate(of: clock()),
            about: InstructionSubject(number: serial, orderNumber: paymentSerial)
        ).reading { result throws(Doubt) in try ChannelRefund(result) }
    }

    /// The custodian's bills in the channel's form.
    public var bills: [ChannelBill] { custodian.bills }

    /// A bill of the custodian's in the channel's form.
    public func bill(_ bill: ChannelBill, of date: BusinessDate, into spool: Spool) async -> Reply<BillAnswer> {
        await custodian.bill(bill, of: date, into: spool)
    }

    /// A custodian's notifications are read by the custodian.
    ///
    /// - Throws: Always.
    public func notice(in body: [UInt8]) throws(Doubt) -> ChannelNotice {
        throw Doubt(.malformedAnswer, "a custodian's notification")
    }
}

extension CustodianCollection.State {
    fileprivate var word: String {
        switch self {
        case .toPay: "to_pay"
        case .paid: "paid"
        case .failed: "failed"
        case .closed: "closed"
        case .absent: "absent"
        }
    }
}

extension ChannelPayment {
    /// A collection as a payment of the channel it was collected through.
    public init(_ collection: CustodianCollection) {
        switch collection.state {
        case .paid(let at, let number):
            self.init(
                state: .succeeded, transactionNumber: number ?? collection.bankNumber, amount: collection.amount,
                paidAt: at, payerID: nil)
        case .toPay: self.init(state: .waiting, amount: collection.amount)
        case .failed, .closed: self.init(state: .closed, amount: collection.amount)
        case .absent: self.init(state: .absent)
        }
    }

    fileprivate init(state: State, amount: Fen? = nil) {
        self.init(state: state, transactionNumber: nil, amount: amount, paidAt: nil, payerID: nil)
    }
}

extension ChannelRefund {
    fileprivate init(_ result: CustodianResult) throws(Doubt) {
        let state: State
        switch result.state {
        case .processing: state = .processing
        case .succeeded: state = .succeeded
        case .failed: state = .closed
        case .absent: state = .absent
        case .returned: throw Doubt(.malformedAnswer, "a refund that came back")
        }
        self.init(state: state, refundNumber: result.bankNumber, amount: nil, succeededAt: nil)
    }
}

import CustodyDomain
import CustodyWire

/// Something a market wants done outside its books.
enum BankEffect: Sendable {
    /// Tells the partner.
    case notify(txnCode: String, body: JSON)
    /// Goes on at a time.
    case schedule(BankEvent, at: Instant)
}

/// Something that falls due in a market.
enum BankEvent: Sendable {
    case advanceMerchant(String)
    case expireCard(String)
    case finishWithdrawal(String)
    case returnWithdrawal(String)
    case finishRefund(String)
    case finishBatch(String)
    case expirePayment(String)
    case fundCollection(String)
    case expireSignature(String)
    case freeOrder(String)
    case announceFiles(BusinessDate)
}

/// An instruction as recorded, by its number.
struct BankInstruction {
    /// What its outcome is read from.
    enum Subject {
        case merchant(String)
        case card(String)
        case order(String, isRegistration: Bool)
        case refund(String)
        case split(String)
        case withdrawal(String)
        case batch(String)
        case payment(String)
        /// An outcome that never changes.
        case fixed(JSON)
    }

    let txnCode: String
    let content: JSON
    let subject: Subject
    let bankNumber: String
    let bankDate: BusinessDate
}

/// The bank's answer to an instruction, before it is put into an envelope.
struct BankAnswer: Sendable {
    var code = "000000"
    var message = "受理成功"
    var body: JSON = ["status": "FAILED"]
    var bankNumber: String?
    var isDuplicate = false
}

/// One market at the bank: its merchants, accounts, orders and book. A value: the simulator guards it with a lock.
struct BankMarket: Sendable {
    let partnerID: String
    let marketID: String
    /// What its contract says.
    var terms: BankTerms

    var book: BankBook
    var merchants: [String: BankMerchant] = [:]
    var accounts: [String: BankAccount] = [:]
    var cards: [String: BankCard] = [:]
    var orders: [String: BankOrder] = [:]
    var refunds: [String: BankRefund] = [:]
    var splits: [String: BankSplit] = [:]
    var freezes: [String: BankFreeze] = [:]
    var suspense: [BankSuspense] = []
    var assignments: [String: BankAssignment] = [:]
    var payments: [String: BankPayment] = [:]
    var batches: [String: BankBatch] = [:]
    /// Files handed in, by the name they were handed in under, and by the bank's number once they were claimed.
    var uploads: [String: [UInt8]] = [:]
    var materials: [String: [UInt8]] = [:]
    var withdrawals: [String: BankWithdrawal] = [:]
    var instructions: [String: BankInstruction] = [:]
    var businessNumbers: [String: String] = [:]
    var firstAsked: [String: Instant] = [:]
    /// Order numbers by the channel's number of the payment.
    var orderByChannelNumber: [String: String] = [:]
    var credits: [BankCreditEntry] = []
    /// Items of lumps nobody registered, in suspense.
    var unknownItems: [BankCreditItem] = []
    /// Funded orders whose pending money waits for the day turn.
    var awaitingDayTurn: [String] = []
    var rejectionRules: [(name: String, items: JSON)] = []
    var plannedReturns: [BankPlannedReturn] = []
    var balanceDifferences: [BusinessDate: [String: Fen]] = [:]
    var fileEdits: [BankFileEdit] = []
    var shares: [BankShare] = []
    var cardEvents: [BankCardEvent] = []
    /// The fault planted for the instruction being executed, which only its own operation knows how to have.
    var wish: FaultRule?
    var snapshots: [BusinessDate: [[String]]] = [:]
    var files: [String: [CWP1File]] = [:]
    var effects: [BankEffect] = []
    private var bookDate: BusinessDate?
    private var counter: Int64 = 0
    /// The bank's number of the instruction being executed.
    var executing: String?

    init(partnerID: String, marketID: String, terms: BankTerms = BankTerms()) {
        self.partnerID = partnerID
        self.marketID = marketID
        self.terms = terms
        book = BankBook(market: marketID)
        accounts[feeAccount] = BankAccount(kind: .fee, merchantNumber: nil)
        accounts[marketingAccount] = BankAccount(kind: .marketing, merchantNumber: nil)
        accounts[guaranteeAccount] = BankAccount(kind: .guarantee, merchantNumber: nil)
    }

    var feeAccount: String { marketID + "FEE001" }
    var marketingAccount: String { marketID + "MKT001" }
    var guaranteeAccount: String { marketID + "GUA001" }
    var depositAccount: String { marketID + "DEP001" }
    var suspenseAccount: String { marketID + "SUS001" }
    var masterAccount: String { marketID + "MST001" }

    /// A number of the bank's own, in which no two markets share any.
    mutating func nextNumber(_ prefix: String, _ now: Instant) -> String {
        counter += 1
        let digits = String(counter)
        return prefix + bankDate(of: now).compact + marketID.suffix(6)
            + String(repeating: "0", count: max(0, 10 - digits.count)) + digits
    }

    /// Brings the books to the day of an instant: balances at every day's end are kept, and money falls free.
    mutating func turn(to now: Instant) {
        let today = bankDate(of: now)
        guard let last = bookDate, last < today else {
            bookDate = today
            return
        }
        var day = last
        while day < today {
            snapshots[day] = balanceRows()
            if terms.announcesFiles {
                effects.append(
                    .schedule(.announceFiles(day), at: day.advanced(by: 1).start + BankMarket.filesReadyAfter))
            }
            for order in awaitingDayTurn { release(order) }
            awaitingDayTurn = []
            day = day.advanced(by: 1)
        }
        bookDate = today
    }

    /// Executes an instruction or a question; what came before under the same number is not executed again.
    mutating func execute(_ request: CWP1Request, now: Instant, failing failure: BankRefusal? = nil) -> BankAnswer {
        turn(to: now)
        do throws(BankRefusal) {
            if let question = try answer(question: request, now: now) { return question }
            if let known = try repeated(request) { return known }
            if BankMarket.moneyMovements.contains(request.txnCode), isCutting(now), terms.refusesWhileCutting {
                throw BankRefusal("100301", "the bank's date is turning")
            }
            book.context = BankContext(
                type: request.txnCode, number: request.number, at: now, bankDate: bankDate(of: now))
            let bankNumber = nextNumber("B", now)
            executing = bankNumber
            defer { executing = nil }
            let subject: BankInstruction.Subject
            var refusal = failure
            if let failure {
                subject = .fixed(failed(failure))
            } else {
                do throws(BankRefusal) {
                    subject = try perform(request, now: now)
                } catch {
                    guard error.code.hasPrefix("3") else { throw error }
                    refusal = error
                    subject = .fixed(failed(error))
                }
            }
            let instruction = BankInstruction(
                txnCode: request.txnCode, content: request.body, subject: subject, bankNumber: bankNumber,
                bankDate: bankDate(of: now))
            instructions[request.number] = instruction
            if let key = businessNumber(request) { businessNumbers[key] = request.number }
            return BankAnswer(
                code: refusal?.code ?? "000000", message: refusal?.message ?? "受理成功", body: outcome(of: instruction),
                bankNumber: bankNumber)
        } catch {
            return BankAnswer(code: error.code, message: error.message)
        }
    }

    /// The outcome of the same instruction sent before, by its own number or the business number in it.
    private mutating func repeated(_ request: CWP1Request) throws(BankRefusal) -> BankAnswer? {
        let original =
            instructions[request.number]
            ?? businessNumber(request).flatMap { businessNumbers[$0] }.flatMap { instructions[$0] }
        guard let original else { return nil }
        guard original.txnCode == request.txnCode, original.content == request.body else {
            throw BankRefusal("200002", "same number, other content")
        }
        instructions[request.number] = original
        return BankAnswer(body: outcome(of: original), bankNumber: original.bankNumber, isDuplicate: true)
    }

    /// What makes two requests the same intent besides their number.
    private func businessNumber(_ request: CWP1Request) -> String? {
        let field: String
        switch request.txnCode {
        case "REF.CREATE": field = "refundNo"
        case "SPLIT.CREATE": field = "splitBatchNo"
        case "WDR.CREATE": field = "wdrNo"
        case "SETTLE.CONFIRM": field = "confirmNo"
        case "SPLIT.REVERSE": field = "reverseNo"
        case "FRZ.CREATE": field = "freezeNo"
        case "FRZ.RELEASE": field = "releaseNo"
        case "XFER.CREATE": field = "xferNo"
        case "SUSP.ASSIGN": field = "assignNo"
        case "BATCH.CREATE", "MCH.IMPORT": field = "batchNo"
        default: return nil
        }
        return request.body[field]?.string.map { request.txnCode + "|" + $0 }
    }

    mutating func perform(
        _ request: CWP1Request, now: Instant
    ) throws(BankRefusal) -> BankInstruction.Subject {
        let body = request.body
        let number = request.number
        switch request.txnCode {
        case "MCH.OPEN", "MCH.RESUBMIT": return try openMerchant(body, now: now)
        case "MCH.MODIFY": return try modifyMerchant(body)
        case "MCH.CLOSE": return try closeMerchant(body)
        case "MCH.MATERIAL": return try claimMaterial(body, now: now)
        case "CARD.BIND", "CARD.CHANGE": return try bindCard(body, now: now)
        case "CARD.CONFIRM": return try confirmCard(body, now: now)
        case "CARD.UNBIND": return try unbindCard(body)
        case "ORD.SYNC": return try syncOrder(body, number: number, now: now)
        case "ORD.CANCEL": return try cancelOrder(body)
        case "PAY.CREATE": return try createPayment(body, number: number, now: now)
        case "PAY.CLOSE": return try closePayment(body)
        case "REF.CREATE": return try createRefund(body, number: number, now: now)
        case "SETTLE.CONFIRM": return try confirmSettlement(body)
        case "SPLIT.CREATE": return try createSplit(body, number: number, now: now)
        case "SPLIT.REVERSE": return try reverseSplit(body, number: number, now: now)
        case "WDR.CREATE": return try createWithdrawal(body, number: number, now: now)
        case "FRZ.CREATE": return try createFreeze(body)
        case "FRZ.RELEASE": return try releaseFreeze(body)
        case "XFER.CREATE": return try createTransfer(body)
        case "SUSP.ASSIGN": return try assignSuspense(body)
        case "SUSP.UNDO": return try undoSuspense(body)
        case "BATCH.CREATE", "MCH.IMPORT": return try createBatch(body, now: now)
        default: throw BankRefusal("100006", "unknown txnCode")
        }
    }

    /// Goes on with something that fell due.
    mutating func happen(_ event: BankEvent, at now: Instant) {
        turn(to: now)
        book.context = BankContext(type: "EVENT", number: "", at: now, bankDate: bankDate(of: now))
        switch event {
        case .advanceMerchant(let number): advanceMerchant(number, now: now)
        case .expireCard(let number): expireCard(number, now: now)
        case .finishWithdrawal(let number): finishWithdrawal(number, now: now)
        case .returnWithdrawal(let number): returnWithdrawal(number, now: now)
        case .finishRefund(let number): finishRefund(number, now: now)
        case .finishBatch(let number): finishBatch(number, now: now)
        case .expirePayment(let number): expirePayment(number, now: now)
        case .fundCollection(let number): fundCollection(number, now: now)
        case .expireSignature(let number): expireSignature(number, now: now)
        case .freeOrder(let number): freeOrder(number)
        case .announceFiles(let day): announceFiles(day)
        }
    }

    /// What the partner should hear and what comes next; each once.
    mutating func takeEffects() -> [BankEffect] {
        defer { effects = [] }
        return effects
    }

    private func failed(_ refusal: BankRefusal) -> JSON {
        ["status": "FAILED", "failCode": .string(refusal.code), "failMsg": .string(refusal.message)]
    }
}

/// Fields of requests, refused with 100001 when they are not what they should be.
extension JSON {
    func field(_ name: String) throws(BankRefusal) -> String {
        guard let text = self[name]?.string, !text.isEmpty, text.utf8.count <= 512 else {
            throw BankRefusal("100001", "\(name) is required")
        }
        return text
    }

    /// Yuan with exactly two decimals, above zero.
    func yuan(_ name: String, allowsZero: Bool = false) throws(BankRefusal) -> Fen {
        let text = try field(name)
        guard let amount = Fen(yuan: text), amount.yuan == text, amount > .zero || (allowsZero && amount == .zero)
        else { throw BankRefusal("100001", "\(name) is no amount") }
        return amount
    }

    func list(_ name: String, upTo limit: Int) throws(BankRefusal) -> [JSON] {
        guard let elements = self[name]?.array, (1...limit).contains(elements.count) else {
            throw BankRefusal("100001", "\(name) needs 1 to \(limit) elements")
        }
        return elements
    }
}

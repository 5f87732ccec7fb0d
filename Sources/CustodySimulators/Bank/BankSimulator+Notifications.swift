import AsyncHTTPClient
import CustodyDomain
import CustodyWire
import NIOCore
import NIOHTTP1
import Synchronization

/// A notification with a number of its own, kept until it is answered.
struct BankNotification: Sendable {
    let marketID: String
    let txnCode: String
    let notifyID: String
    let body: JSON
    var attempt = 1
    /// What is wrong with it on purpose.
    var fault: String?
}

/// Notifications to the partner, and what falls due.
extension BankSimulator {
    /// How long the bank waits before it sends a notification again.
    static let resendInterval: Duration = .seconds(300)
    /// How often it does so.
    static let resendLimit = 6

    /// Carries out what a market wants done outside its books.
    func carry(out effects: [BankEffect], of marketID: String, now: Instant) {
        for effect in effects {
            switch effect {
            case .schedule(let event, let at):
                clock.schedule(marketID, at: at) { [unowned self] at in
                    let effects = state.withLock { state -> [BankEffect] in
                        state.markets[marketID]?.happen(event, at: at)
                        return state.markets[marketID]?.takeEffects() ?? []
                    }
                    carry(out: effects, of: marketID, now: at)
                }
            case .notify(let txnCode, let body): announce(marketID, txnCode, body, now: now)
            }
        }
    }

    /// Carries out what a market wants done, and waits until what it says was heard, or was not, once.
    func carryFirst(out effects: [BankEffect], of marketID: String, now: Instant) async {
        for effect in effects {
            guard case .notify(let txnCode, let body) = effect else {
                carry(out: [effect], of: marketID, now: now)
                continue
            }
            guard let notification = notification(marketID, txnCode, body, now: now) else { continue }
            if await !send(notification, at: now) {
                var again = notification
                again.attempt += 1
                schedule(again, at: now + BankSimulator.resendInterval)
            }
        }
    }

    /// A notification with a number of its own; nil when nobody listens.
    private func notification(
        _ marketID: String, _ txnCode: String, _ body: JSON, now: Instant
    ) -> BankNotification? {
        state.withLock { state -> BankNotification? in
            guard state.registrations[marketID]?.notifyURL != nil else { return nil }
            state.notifyCounter += 1
            let digits = String(state.notifyCounter)
            return BankNotification(
                marketID: marketID, txnCode: txnCode,
                notifyID: "N" + BusinessDate(of: now).compact
                    + String(repeating: "0", count: max(0, 12 - digits.count)) + digits,
                body: body)
        }
    }

    private func announce(_ marketID: String, _ txnCode: String, _ body: JSON, now: Instant) {
        guard var notification = notification(marketID, txnCode, body, now: now) else { return }
        let rule = faults.take(txnCode, merchant: marketID, serial: body["origReqSeqNo"]?.string)
        notification.fault = rule?.fault
        var copies = 1
        var at = now
        switch rule?.fault {
        case "drop": return
        case "concurrent":
            return sendTogether(
                notification, Int(clamping: rule?.parameters["copies"]?.integer ?? 2), at: now)
        case "duplicate": copies = Int(clamping: rule?.parameters["copies"]?.integer ?? 2)
        case "late": at = now + .seconds(rule?.parameters["seconds"]?.integer ?? 600)
        case "late_processing":
            let seconds = rule?.parameters["seconds"]?.integer ?? 60
            if let stale = self.notification(marketID, txnCode, body.withStatus("PROCESSING"), now: now) {
                schedule(stale, at: now + .seconds(seconds))
            }
        case "out_of_order":
            state.withLock { $0.held[marketID, default: []].append(notification) }
            return
        default: break
        }
        let released = state.withLock { $0.held.removeValue(forKey: marketID) ?? [] }
        for notification in Array(repeating: notification, count: copies) + released { schedule(notification, at: at) }
    }

    /// Sends copies at the same moment.
    private func sendTogether(_ notification: BankNotification, _ copies: Int, at: Instant) {
        clock.schedule(notification.marketID, at: at) { [unowned self] at in
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<max(1, copies) { group.addTask { await self.send(notification, at: at) } }
            }
        }
    }

    private func schedule(_ notification: BankNotification, at: Instant) {
        clock.schedule(notification.marketID, at: at) { [unowned self] at in
            guard await !send(notification, at: at), notification.attempt <= BankSimulator.resendLimit else { return }
            var again = notification
            again.attempt += 1
            again.fault = nil
            schedule(again, at: at + BankSimulator.resendInterval)
        }
    }

    /// Sends a notification once; whether it was answered as it should be.
    private func send(_ notification: BankNotification, at: Instant) async -> Bool {
        let found = state.withLock { state -> (url: String, partnerID: String, signer: CWP1Signer)? in
            guard let registration = state.registrations[notification.marketID], let url = registration.notifyURL,
                let market = state.markets[notification.marketID]
            else { return nil }
            return (url, market.partnerID, state.keys.current(registration.algorithm).signer)
        }
        guard let found else { return true }
        let body = CWP1Notification(
            txnCode: notification.txnCode, partnerID: found.partnerID, marketID: notification.marketID,
            notifyID: notification.notifyID, at: at, body: notification.body
        ).bytes
        let real = realNow
        let path = found.url.split(separator: "://", maxSplits: 1).last.map { $0.drop { $0 != "/" } } ?? "/"
        guard
            var headers = try? found.signer.headers(
                for: .request(
                    path: String(path.prefix { $0 != "?" }), partnerID: found.partnerID,
                    txnCode: notification.txnCode, number: notification.notifyID),
                body: body, at: notification.fault == "stale_time" ? real - .seconds(900) : real)
        else { return true }
        if notification.fault == "bad_signature" { headers.signature = String(headers.signature.reversed()) }
        var request = HTTPClientRequest(url: found.url)
        request.method = .POST
        for (name, value) in headers.fields { request.headers.add(name: name, value: value) }
        request.headers.add(name: "content-type", value: "application/json; charset=utf-8")
        request.body = .bytes(ByteBuffer(bytes: body))
        do {
            let response = try await client.execute(request, timeout: .seconds(5))
            let bytes = try await response.body.collect(upTo: 1 << 20)
            guard response.status == .ok else { return false }
            let answer = try JSON(parsing: Array(bytes.readableBytesView))
            return answer["head"]?["retCode"]?.string == "000000"
        } catch {
            return false
        }
    }
}

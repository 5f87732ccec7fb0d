import CustodyDomain
import CustodyWire

extension WeChatPay {
    /// Hands a picture or PDF to WeChat Pay, for an application; answers its `media_id`.
    ///
    /// A file WeChat would not take is refused before anything is sent. The same file may be sent again.
    public func uploadMedia(fileName: String, content: [UInt8]) async -> Reply<String> {
        guard let media = WeChatPayMediaUpload(fileName: fileName, content: content) else {
            return .refused(Refusal(code: "MEDIA_NOT_SUPPORTED", message: "JPG, PNG and BMP to 5 MB, PDF to 7.5 MB"))
        }
        let boundary = "custody" + WeChatPayRequestSigner.freshNonce()
        let request = WeChatPayExchange.Request(
            method: "POST", path: "/v3/merchant/media/upload", body: media.body(boundary: boundary),
            signedBody: media.meta, contentType: "multipart/form-data; boundary=\(boundary)")
        return await exchange.call(request).reading { answer throws(Doubt) in
            guard let id = answer["media_id"]?.string, !id.isEmpty else {
                throw Doubt(.malformedAnswer, "no media_id")
            }
            return id
        }
    }
}

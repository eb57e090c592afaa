"""Sends requests with the SDK's connections and headers, and fails as the SDK does."""

from collections.abc import Mapping
from functools import cached_property

import anthropic
import httpx2
import orjson
from anthropic import AsyncAnthropic


class Post:
    """Of one client of the SDK, whose connections are `http`.

    The SDK's own door copies, checks and wraps each request: that takes twice as long as sending it, half a
    millisecond for each call of a model.
    """

    def __init__(self, client: AsyncAnthropic, http: httpx2.AsyncClient) -> None:
        self._client = client
        self._http = http

    async def stream(self, path: str, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        """The response to a POST, its body still to be read; raises the SDK's errors for all that is no success."""
        url = self._client.base_url.join(path)
        request = self._http.build_request("POST", url, content=body, headers={**self._headers, **headers})
        try:
            response = await self._http.send(request, stream=True)
        except httpx2.TimeoutException as error:
            raise anthropic.APITimeoutError(request=request) from error
        except Exception as error:  # whatever the transport comes up with
            raise anthropic.APIConnectionError(request=request) from error
        if not response.is_success:
            raise await _refusal(response)
        return response

    @cached_property
    def _headers(self) -> Mapping[str, str]:
        """Key, version and platform; asked for when a loop runs, since the SDK names that as well."""
        headers = self._client.default_headers.items()
        return {name.lower(): value for name, value in headers if isinstance(value, str)}


async def _refusal(response: httpx2.Response) -> anthropic.APIStatusError:
    try:
        text = (await response.aread()).decode(errors="replace")
    except httpx2.HTTPError:
        text = ""
    finally:
        await response.aclose()
    try:
        body: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        body = text
    message = f"Error code: {response.status_code} - {text}" if text else f"Error code: {response.status_code}"
    return anthropic.APIStatusError(message, response=response, body=body)
